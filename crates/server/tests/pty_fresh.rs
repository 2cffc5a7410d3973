//! Row F16 of `docs/rules.md`: each session at the pseudo-terminal finds a fresh one, whatever the program before has done to it.

mod support;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{geteuid, ioctl_tiocsctty, setsid};
use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, OutputModes, Winsize, ioctl_tiocexcl, tcflow, tcgetattr,
    tcgetwinsize, tcsetattr, tcsetwinsize,
};
use support::terminal::{occupied, open, served, vacant};
use vuart_test_support::{PART, Vm, part, play, read_to};

/// A number of a user that no account has.
const STRANGER: u32 = 64_123;

/// A program comes, does this to the terminal and leaves. Then another one comes, and finds a terminal that works.
fn after(vm: &mut Vm, harm: impl FnOnce(&File)) {
    let terminal = open(vm.file("pty"));
    occupied(vm);
    let before = std::fs::read_link(vm.file("pty")).unwrap();
    harm(&terminal);
    drop(terminal);
    vacant(vm);
    assert_ne!(std::fs::read_link(vm.file("pty")).unwrap(), before, "it is another terminal");
    let mut terminal = open(vm.file("pty"));
    occupied(vm);
    let termios = tcgetattr(&terminal).unwrap();
    assert!(!termios.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    assert!(!termios.output_modes.contains(OutputModes::OPOST));
    assert!(!termios.input_modes.intersects(InputModes::ICRNL | InputModes::IXON));
    assert_eq!(termios.output_speed(), 38_400);
    let size = tcgetwinsize(&terminal).unwrap();
    assert_eq!((size.ws_col, size.ws_row), (0, 0));
    vm.guest.writes(b"login: ");
    assert_eq!(read_to(&mut terminal, ": "), "login: ");
    terminal.write_all(b"root").unwrap();
    assert_eq!(vm.guest.reads(4), b"root");
    drop(terminal);
    vacant(vm);
}

#[test]
fn f16_the_settings_of_one_session_are_not_those_of_the_next() {
    let mut vm = served();
    after(&mut vm, |terminal| {
        let mut termios = tcgetattr(terminal).unwrap();
        termios.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        termios.local_modes -= LocalModes::EXTPROC;
        termios.output_modes |= OutputModes::OPOST;
        termios.input_modes |= InputModes::ICRNL | InputModes::IXON;
        termios.set_speed(9600).unwrap();
        tcsetattr(terminal, OptionalActions::Now, &termios).unwrap();
    });
    after(&mut vm, |terminal| {
        let size = Winsize { ws_row: 43, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(terminal, size).unwrap();
    });
}

#[test]
fn f16_output_that_one_session_has_stopped_flows_in_the_next() {
    let mut vm = served();
    after(&mut vm, |terminal| tcflow(terminal, Action::OOff).unwrap());
    // Input, too.
    after(&mut vm, |terminal| tcflow(terminal, Action::IOff).unwrap());
}

/// As another user than root, whom an exclusive terminal lets in.
#[test]
fn f16_a_terminal_that_was_made_exclusive_locks_nobody_out() {
    const TEST: &str = "f16_a_terminal_that_was_made_exclusive_locks_nobody_out";
    if part().is_none() && geteuid().is_root() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let program = dir.path().join("program");
        // By another process, as the kernel runs no program that somebody has open for writing.
        let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
        assert!(copied.success());
        let mut command = Command::new(&program);
        command.args(["--exact", TEST, "--nocapture"]).env(PART, "as a user").env("TMPDIR", dir.path());
        let output = command.current_dir("/").uid(STRANGER).gid(STRANGER).output().unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    let mut vm = served();
    after(&mut vm, |terminal| {
        ioctl_tiocexcl(terminal).unwrap();
        let again = format!("/proc/self/fd/{}", terminal.as_raw_fd());
        let second = File::options().read(true).write(true).open(again);
        if !geteuid().is_root() {
            assert_eq!(second.unwrap_err().raw_os_error(), Some(16), "EBUSY: it is exclusive");
        }
    });
}

/// A program that has made it its controlling terminal does not keep it when it goes on without it.
#[test]
fn f16_a_controlling_terminal_is_free_for_the_next_session() {
    const TEST: &str = "f16_a_controlling_terminal_is_free_for_the_next_session";
    if part().is_none() {
        // The terminal's hang-up is a signal to the leader of its session, which ignores it.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", TEST, "--nocapture", "--test-threads=1"]).env(PART, "leader");
        let output = command.output().unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    // It leads no process group, because its parent leads it or is in it.
    setsid().unwrap();
    let mut vm = served();
    after(&mut vm, |terminal| ioctl_tiocsctty(terminal).unwrap());
}

/// The terminal works again and again, for programs that know only the link.
#[test]
fn f16_many_sessions_one_after_another_find_a_terminal_each() {
    let mut vm = served();
    for round in 0..30 {
        let mut terminal = open(vm.file("pty"));
        occupied(&vm);
        // Unread: the next session does not find it.
        vm.guest.writes(b"unread");
        terminal.write_all(&[b'a' + round % 26]).unwrap();
        assert_eq!(vm.guest.reads(1), [b'a' + round % 26]);
        drop(terminal);
        vacant(&vm);
    }
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    vm.guest.writes(b"new");
    assert_eq!(read_to(&mut terminal, "w"), "new");
}

/// When the system has no other pseudo-terminal, the old one is set back as far as that is possible.
#[test]
fn f16_without_another_terminal_the_old_one_is_set_back() {
    const TEST: &str = "f16_without_another_terminal_the_old_one_is_set_back";
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let mut vm = served();
    let terminal = open(vm.file("pty"));
    occupied(&vm);
    let size = Winsize { ws_row: 43, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    tcflow(&terminal, Action::OOff).unwrap();
    // No descriptor is left but the one that the program gives back.
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    drop(terminal);
    vm.until("the session is over", |console| console.owner().is_none());
    drop(hoard);
    vacant(&vm);
    let mut terminal = open(vm.file("pty"));
    occupied(&vm);
    let found = tcgetwinsize(&terminal).unwrap();
    assert_eq!((found.ws_col, found.ws_row), (0, 0));
    vm.guest.writes(b"flows");
    assert_eq!(read_to(&mut terminal, "s"), "flows");
}
