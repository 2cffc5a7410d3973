//! A panic restores the terminal. The panic happens in another process, which is this test program again, because no
//! command line makes the command panic.

use std::env;
use std::process::{Command, exit};
use std::thread;

use rustix::io::Errno;

use crate::support::pty::Pty;
use crate::tty::raw_mode::{RawMode, restore_on_panic};
use crate::tty::screen;

/// The variable that tells the child process which of its threads panics.
const THREAD: &str = "VUART_PANICKING_THREAD";

/// Modes that a guest has left on, and the sequences that turn them off.
const LEFT_ON: &str = "\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[1;31m";
const OFF: &str = "\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[m";

#[test]
#[ignore = "the other test starts it; it panics"]
fn child() {
    let Ok(panicking) = env::var(THREAD) else { return };
    restore_on_panic();
    let _raw = RawMode::enter().unwrap();
    screen::show(LEFT_ON.as_bytes()).unwrap();
    assert!(panicking != "main", "on purpose");
    let _ = thread::spawn(|| panic!("on purpose")).join();
    // What another thread writes now comes too late.
    assert_eq!(screen::show(b"\x1b[?1049h too late"), Err(Errno::INTR));
    exit(1);
}

#[test]
fn e12_a_panic_of_any_thread_restores_the_terminal() {
    for panicking in ["main", "another"] {
        let mut pty = Pty::new();
        let before = pty.settings();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "panic::child", "--ignored", "--nocapture", "--test-threads=1"]);
        let child = pty.spawn(command.env(THREAD, panicking));
        let (code, shown) = pty.finish(child);
        assert_ne!(code, 0, "{panicking}");
        assert_eq!(pty.settings(), before, "{panicking}");
        let on = shown.find(LEFT_ON).expect("the guest's output");
        let off = shown.find(OFF).expect("the sequences that turn it off");
        let message = shown.find("on purpose").expect("the panic's message");
        assert!(on < off && off < message, "{shown:?}");
        assert!(!shown.contains("too late"), "{shown:?}");
    }
}
