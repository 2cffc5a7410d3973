//! A panic restores the terminal. The panic happens in another process, which is this test program again, because no
//! command line makes the command panic.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

/// The variable that tells the child process which of its threads panics.
const THREAD: &str = "VUART_PANICKING_THREAD";

/// Modes that a guest has left on, and the sequences that turn them off.
const LEFT_ON: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[1;31m";
const OFF: &str = "\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[m";

/// The limit for any wait. It only guards against hanging.
const GUARD: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

#[test]
#[ignore = "the other test starts it; it panics"]
fn child() {
    let Ok(panicking) = std::env::var(THREAD) else { return };
    restore_on_panic();
    let _raw = RawMode::enter().unwrap();
    screen::show(LEFT_ON).unwrap();
    assert!(panicking != "main", "on purpose");
    let _ = thread::spawn(|| panic!("on purpose")).join();
    // What another thread writes now comes too late.
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
        // Termios can't be compared, but its debug text contains every mode and character.
        let settings = || format!("{:?}", tcgetattr(&slave).unwrap());
        let before = settings();

        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tty::raw_mode::tests::child", "--ignored", "--nocapture", "--test-threads=1"])
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
        let off = shown.find(OFF).expect("the sequences that turn it off");
        let message = shown.find("on purpose").expect("the panic's message");
        assert!(on < off && off < message, "{shown:?}");
        assert!(!shown.contains("too late"), "{shown:?}");
    }
}

/// The text after everything that the child has written.
const END: &str = "\x01end\x01";

/// Reads everything that is shown until the child has ended.
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
