//! A terminal and the person at it.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Termios, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::{Process, Runtime, wait_for};

/// A pseudo-terminal, and the person who types and reads there.
pub(crate) struct Pty {
    master: OwnedFd,
    slave: OwnedFd,
    /// What has been shown and not been read.
    screen: Vec<u8>,
}

impl Pty {
    pub(crate) fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(OsStr::from_bytes(path.as_bytes()))
            .unwrap();
        Self { master, slave: slave.into(), screen: Vec::new() }
    }

    /// The path of the terminal.
    pub(crate) fn path(&self) -> String {
        ptsname(&self.master, Vec::new()).unwrap().into_string().unwrap()
    }

    /// Starts a command on the terminal.
    pub(crate) fn spawn(&self, command: &mut Command) -> Process {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        Process::spawn(command.stdin(end()).stdout(end()).stderr(end()))
    }

    /// The terminal, for one of a command's streams.
    pub(crate) fn stream(&self) -> Stdio {
        self.slave.try_clone().unwrap().into()
    }

    /// Types.
    pub(crate) fn type_in(&self, text: &[u8]) {
        type_in(&self.master, text);
    }

    /// A hand that types while somebody else reads what is shown.
    pub(crate) fn hand(&self) -> Hand {
        Hand(self.master.try_clone().unwrap())
    }

    /// Waits until `text` is shown, and returns everything up to its end.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            let found = self.screen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(start) = found {
                let shown: Vec<u8> = self.screen.drain(..start + text.len()).collect();
                return String::from_utf8(shown).unwrap();
            }
            let shown = self.screen.escape_ascii().to_string();
            wait_for(self.master.as_fd(), PollFlags::IN, &format!("waiting for {text:?}, shown: {shown}"));
            self.read();
        }
    }

    /// Waits for the end of a process, and returns its exit code and everything that is shown up to then.
    pub(crate) fn finish(&mut self, mut process: Process) -> (i32, String) {
        const MARK: &str = "\x01end of the process\x01";
        let slave = self.slave.try_clone().unwrap();
        // The process may write meanwhile, and a terminal holds only a few thousand bytes. So a thread waits for its end.
        let waiting = std::thread::spawn(move || {
            let code = process.code();
            // Output is shown a moment after it was written. This mark is written last, so it is shown last.
            rustix::io::write(slave, MARK.as_bytes()).unwrap();
            code
        });
        let shown = self.expect(MARK);
        (waiting.join().unwrap(), shown.trim_end_matches(MARK).to_owned())
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let length = rustix::io::read(&self.master, &mut buffer).unwrap();
        self.screen.extend_from_slice(&buffer[..length]);
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// Whether there is something that a program could read, a part of a line included.
    pub(crate) fn has_input(&self) -> bool {
        let mut raw = tcgetattr(&self.slave).unwrap();
        raw.make_raw();
        tcsetattr(&self.slave, OptionalActions::Now, &raw).unwrap();
        let now = Timespec::try_from(Duration::ZERO).unwrap();
        poll(&mut [PollFd::new(&self.slave, PollFlags::IN)], Some(&now)).unwrap() > 0
    }

    /// Reads what a program could read, as long as there may be more.
    pub(crate) fn read_all_until(&self, is_over: impl Fn() -> bool) {
        while self.has_input() || !is_over() {
            if self.has_input() {
                rustix::io::read(&self.slave, &mut [0; 4096]).unwrap();
            }
            std::thread::yield_now();
        }
    }

    /// The terminal's settings, to be compared.
    pub(crate) fn settings(&self) -> String {
        // Termios can't be compared, but its debug text contains every mode and character.
        format!("{:?}", tcgetattr(&self.slave).unwrap())
    }

    /// Whether a program has made it raw.
    pub(crate) fn is_raw(&self) -> bool {
        let settings: Termios = tcgetattr(&self.slave).unwrap();
        // Some programs change the modes one by one.
        !settings.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }
}

/// A hand on the keyboard of a terminal.
pub(crate) struct Hand(OwnedFd);

impl Hand {
    /// Types.
    pub(crate) fn type_in(&self, text: &[u8]) {
        type_in(&self.0, text);
    }
}

fn type_in(master: &OwnedFd, mut text: &[u8]) {
    while !text.is_empty() {
        wait_for(master.as_fd(), PollFlags::OUT, "the terminal takes what is typed");
        let typed = rustix::io::write(master, text).unwrap();
        text = &text[typed..];
    }
}

/// A person who has attached to the console `vm0`, and the client.
pub(crate) fn attached(runtime: &Runtime, more: &[&str]) -> (Pty, Process) {
    let mut pty = Pty::new();
    let client = pty.spawn(&mut runtime.vuart(&[&["attach", "vm0"], more].concat()));
    pty.expect("~? helps]\r\n");
    (pty, client)
}
