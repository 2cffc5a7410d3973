//! What the tests of the command share: a directory of their own, processes that end with the test, a terminal.

#![allow(dead_code, reason = "each test program uses its part of it")]

pub(crate) mod pty;
pub(crate) mod served;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid};
use tempfile::TempDir;
use vuart_endpoint::{Mode, Replay};
use vuart_wire::{Client, Event};

/// A guard against hanging, far beyond what anything takes; nothing is measured by it.
pub(crate) const GUARD: Duration = Duration::from_secs(120);

/// Waits until `fd` has what is asked for, or fails the test.
pub(crate) fn wait_for(fd: BorrowedFd<'_>, events: PollFlags, what: &str) -> PollFlags {
    let guard = Timespec::try_from(GUARD).unwrap();
    let mut polled = [PollFd::from_borrowed_fd(fd, events)];
    loop {
        match poll(&mut polled, Some(&guard)) {
            Ok(0) => panic!("hangs: {what}"),
            Ok(_) => return polled[0].revents(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// A runtime directory for one test.
pub(crate) struct Runtime {
    temp: TempDir,
}

impl Runtime {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::Builder::new().prefix("vuart-test-").tempdir().unwrap() }
    }

    /// Where the runtime directory is, or will be.
    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().join("r")
    }

    /// The command, with this directory.
    pub(crate) fn vuart(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vuart"));
        command.args(arguments).env("VUART_RUNTIME_DIR", self.path()).env("LOGNAME", "tester");
        command
    }

    /// The names of the files in the directory.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path()) else { return Vec::new() };
        let mut files: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }
}

/// What a command that has ended has left.
#[derive(Debug)]
pub(crate) struct Done {
    /// As a shell has it: 128 and more after a signal.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Done {
    /// The standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Exactly one line on standard error, and it is the command's.
    #[track_caller]
    pub(crate) fn one_line(&self) -> &str {
        assert!(self.stderr.starts_with("vuart: ") && self.stderr.ends_with('\n'), "{:?}", self.stderr);
        assert_eq!(self.stderr.matches('\n').count(), 1, "{:?}", self.stderr);
        self.stderr.trim_end()
    }
}

/// Runs a command that needs no input to its end.
pub(crate) fn run(command: &mut Command) -> Done {
    run_with(command, b"")
}

/// Runs a command with this input to its end.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Done {
    let mut process =
        Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut stdin = process.child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let done = process.finish();
    // A command that does not read all of it is no failure of the test.
    let _ = writer.join().unwrap();
    done
}

/// A process that is killed with the test.
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self { child: command.spawn().unwrap() }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until it has been stopped.
    pub(crate) fn stopped(&mut self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.pid()), options).unwrap();
        assert!(status.is_some_and(|status| status.stopped()));
    }

    /// Waits for the end.
    pub(crate) fn code(&mut self) -> i32 {
        let end = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        wait_for(end.as_fd(), PollFlags::IN, "the end of a process");
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }

    /// Waits for the end, with all that is said until then.
    pub(crate) fn finish(mut self) -> Done {
        let stdout = self.child.stdout.take().map(|mut out| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                out.read_to_end(&mut bytes).unwrap();
                bytes
            })
        });
        let stderr = self.child.stderr.take().map(|mut err| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                err.read_to_end(&mut bytes).unwrap();
                bytes
            })
        });
        let code = self.code();
        Done {
            code,
            stdout: stdout.map_or_else(Vec::new, |thread| thread.join().unwrap()),
            stderr: stderr
                .map_or_else(String::new, |thread| String::from_utf8(thread.join().unwrap()).unwrap()),
        }
    }

    /// Reads standard output up to the end of `text`.
    pub(crate) fn expect_stdout(&mut self, text: &[u8]) -> Vec<u8> {
        expect(self.child.stdout.as_mut().unwrap(), text)
    }

    /// Reads standard error up to the end of `text`.
    pub(crate) fn expect_stderr(&mut self, text: &[u8]) -> Vec<u8> {
        expect(self.child.stderr.as_mut().unwrap(), text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The usual case is that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What can be read from with a guard.
trait Pipe: std::io::Read + std::os::fd::AsFd {}
impl Pipe for ChildStdout {}
impl Pipe for ChildStderr {}

fn expect(pipe: &mut impl Pipe, text: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    while !seen.ends_with(text) {
        wait_for(pipe.as_fd(), PollFlags::IN, &format!("waiting for {text:?}, seen {seen:?}"));
        // One at a time, so that what follows is left to be read.
        let mut byte = [0];
        let length = pipe.read(&mut byte).unwrap();
        assert!(
            length > 0,
            "the end came before {:?}: {:?}",
            text.escape_ascii().to_string(),
            seen.escape_ascii().to_string()
        );
        seen.push(byte[0]);
    }
    seen
}

/// `vuart demo --no-attach`, with the software guest.
pub(crate) struct Demo {
    pub(crate) process: Process,
    /// What it said on its standard output, without the end of the line.
    pub(crate) directions: Vec<String>,
}

impl Demo {
    pub(crate) fn start(runtime: &Runtime) -> Self {
        Self::start_with(runtime, &[])
    }

    pub(crate) fn start_with(runtime: &Runtime, more: &[&str]) -> Self {
        let arguments = [&["demo", "--no-attach", "--engine", "software"], more].concat();
        let mut command = runtime.vuart(&arguments);
        let mut process =
            Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let text = process.expect_stdout(b".sock\n");
        let directions = BufReader::new(&text[..]).lines().map(Result::unwrap).collect();
        let demo = Self { process, directions };
        demo.until_prompt();
        demo
    }

    /// Looks on until the guest waits for a command: what is typed earlier meets a UART that is being set up.
    fn until_prompt(&self) {
        let mut client = Client::connect(self.direction("console"), "test").unwrap();
        client.attach(Mode::Spectate, Replay::Boot).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut seen = Vec::new();
        loop {
            // First of all what came along with the answer.
            while let Some(event) = client.next_event().unwrap() {
                if let Event::Output { bytes, .. } = event {
                    seen.extend(bytes);
                }
            }
            if seen.ends_with(b"> ") {
                return;
            }
            wait_for(client.as_fd(), PollFlags::IN, "the guest's prompt");
            client.fill().unwrap();
        }
    }

    /// The path that stands behind a word at the start of a line.
    pub(crate) fn direction(&self, word: &str) -> &Path {
        let line = self.directions.iter().find_map(|line| line.strip_prefix(word)).unwrap();
        Path::new(line.trim())
    }
}
