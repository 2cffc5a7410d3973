//! Signals that end `vuart attach`.

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};
use support::Runtime;
use support::pty::{Pty, attached};
use support::served::Served;

/// The signals that end a process by default and can be caught: HUP, INT, QUIT, ABRT, USR1, USR2, ALRM, TERM, STKFLT, XCPU, XFSZ,
/// VTALRM, PROF, IO, PWR, and some realtime signals.
const SIGNALS: [i32; 18] = [1, 2, 3, 6, 10, 12, 14, 15, 16, 24, 25, 26, 27, 29, 30, 35, 50, 64];

/// Those whose default action the command can't ask for, so that it exits with the status that a shell shows for them.
const BY_STATUS: [i32; 6] = [16, 29, 30, 35, 50, 64];

/// The signals that this process, and so each of its children, was started with as ignored.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() & (1 << (signal - 1)) != 0
}

fn kill(signal: i32, pid: u32) {
    let killed = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().unwrap();
    assert!(killed.success(), "{signal}");
}

#[test]
fn f17_each_signal_that_ends_the_command_restores_the_terminal_first() {
    // Some of them make the process leave a file behind.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    // Signals that it would heed may be ignored where the tests are started, and then stay so.
    for signal in SIGNALS.into_iter().filter(|signal| matches!(signal, 2 | 3 | 15) || !is_ignored(*signal)) {
        let before = Pty::new().settings();
        let (mut pty, mut client) = attached(&runtime, &[]);
        served.write(b"\x1b[?1049h\x1b[?2004hmenu");
        pty.expect("menu");
        kill(signal, client.child.id());
        let shown = pty.expect(": detached]\r\n");
        assert!(shown.starts_with("\x1b[?1049l\x1b[?2004l"), "{signal}: {shown:?}");
        let status = client.child.wait().unwrap();
        if BY_STATUS.contains(&signal) {
            assert_eq!(status.code(), Some(128 + signal));
        } else {
            assert_eq!(status.signal(), Some(signal), "{status:?}");
        }
        assert_eq!(pty.settings(), before, "{signal}");
        served.until_sessions(0);
    }
}

#[test]
fn f17_a_log_that_a_signal_ends_restores_the_terminal_and_ends_by_it() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"\x1b[?1049h\x1b[?2004hmenu");
    for signal in [10, 14, 35] {
        let mut pty = Pty::new();
        let mut log = pty.spawn(&mut runtime.vuart(&["log", "vm0", "--follow"]));
        pty.expect("menu");
        kill(signal, log.child.id());
        pty.expect("\x1b[?1049l\x1b[?2004l");
        let status = log.child.wait().unwrap();
        assert_eq!(status.signal().unwrap_or_else(|| status.code().unwrap() - 128), signal);
    }
}
