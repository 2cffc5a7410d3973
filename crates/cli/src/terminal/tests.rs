//! A panic in a process of its own, which is this test program started again: there is no command line on which the
//! command panics.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

/// What the victim is told: which of its threads panics.
const THREAD: &str = "VUART_PANICKING_THREAD";

/// What a guest has left on, and what turns it off.
const LEFT_ON: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[1;31m";
const OFF: &str = "\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[m";

/// A guard against hanging; nothing is measured by it.
const GUARD: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

#[test]
#[ignore = "it is started by the other test, and panics"]
fn victim() {
    let Ok(panicking) = std::env::var(THREAD) else { return };
    restore_on_panic();
    let _raw = RawMode::enter().unwrap();
    screen::show(LEFT_ON).unwrap();
    assert!(panicking != "main", "on purpose");
    let _ = thread::spawn(|| panic!("on purpose")).join();
    // What others still write, comes too late.
    assert_eq!(screen::show(b"\x1b[?1049h too late"), Err(Errno::INTR));
    std::process::exit(1);
}

#[test]
fn e12_a_panic_of_any_thread_restores_the_terminal() {
    for panicking in ["main", "another"] {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = File::from(rustix::fs::open(path, flags, Mode::empty()).unwrap());
        // Termios has no equality, and its text names every mode and character.
        let settings = || format!("{:?}", tcgetattr(&slave).unwrap());
        let before = settings();

        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "terminal::tests::victim", "--ignored", "--nocapture", "--test-threads=1"])
            .env(THREAD, panicking)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let terminal = File::from(master.try_clone().unwrap());
        let reader = thread::spawn(move || shown(terminal));
        assert!(!child.wait().unwrap().success(), "{panicking}");
        (&slave).write_all(END.as_bytes()).unwrap();
        let shown = reader.join().unwrap();

        assert_eq!(settings(), before, "{panicking}");
        let on = shown.find(std::str::from_utf8(LEFT_ON).unwrap()).expect("the guest's output");
        let off = shown.find(OFF).expect("what turns it off");
        let message = shown.find("on purpose").expect("the panic's message");
        assert!(on < off && off < message, "{shown:?}");
        assert!(!shown.contains("too late"), "{shown:?}");
    }
}

/// What stands behind everything that the child has written.
const END: &str = "\x01end\x01";

/// Everything that is shown until the child has ended.
fn shown(mut master: File) -> String {
    let mut shown = Vec::new();
    while !shown.ends_with(END.as_bytes()) {
        let mut ready = [PollFd::new(&master, PollFlags::IN)];
        assert!(poll(&mut ready, Some(&GUARD)).unwrap() > 0, "hangs: {}", shown.escape_ascii());
        let mut buffer = [0; 4096];
        let length = master.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(shown).unwrap()
}
