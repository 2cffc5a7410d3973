//! A console on a terminal, and at the master of one.

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::fcntl_getfl;
use rustix::termios::tcgetattr;
use support::terminal::{device, is_raw, terminal};
use support::{Rig, fill, pattern, readable};
use vuart_dispatch::Dispatch as _;

#[test]
fn a_terminal_is_raw_until_it_is_dropped() {
    let (mut screen, device) = terminal();
    let flags = fcntl_getfl(&device).unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_both(&device).with_raw_mode());
    assert!(is_raw(&device));
    rig.writes(b"login: ");
    assert_eq!(rig.reads(&mut screen, 7), b"login: ");
    // Ctrl-C is for the guest, and no line end is needed.
    fill(&mut screen, b"root\x03");
    rig.until(|rig| rig.console.input_waiting() == 5);
    assert_eq!(rig.takes(), b"root\x03");
    assert_eq!(fcntl_getfl(&device).unwrap(), flags);
    drop(rig);
    assert!(!is_raw(&device));
}

#[test]
fn no_terminal_needs_no_raw_mode() {
    let (reader, writer) = support::a_pipe();
    Rig::new(4096, |local| local.with_input(&reader).with_output(&writer).with_raw_mode());
}

#[test]
fn a_screen_that_does_not_scroll_loses_nothing() {
    let (mut screen, device) = terminal();
    let mut rig = Rig::new(1 << 20, |local| local.with_both(&device).with_raw_mode());
    let output = pattern(300_000);
    rig.writes(&output);
    rig.settle();
    assert!(!rig.is_readable() && rig.local.left() > 0);
    assert!(rig.reads(&mut screen, output.len()) == output);
}

#[test]
fn a_terminal_that_hangs_up_ends_it() {
    let (screen, device) = terminal();
    let mut rig = Rig::new(1 << 16, |local| local.with_both(&device).with_raw_mode());
    drop(screen);
    rig.writes(b"anybody there?");
    rig.settle();
    assert!(rig.console.sessions().is_empty() && rig.local.is_settled());
    assert!(!rig.is_readable());
}

#[test]
fn programs_come_and_go_at_a_master() {
    let (master, first) = terminal();
    let master: OwnedFd = master.into();
    let mut rig = Rig::new(1 << 20, |local| local.with_both(&master).with_raw_mode());
    let raw = |program: &File| {
        let mut settings = tcgetattr(program).unwrap();
        settings.make_raw();
        rustix::termios::tcsetattr(program, rustix::termios::OptionalActions::Now, &settings).unwrap();
    };
    drop(first);
    for round in 0..3 {
        // Without a program it waits, and does not spin, whatever the guest writes.
        rig.settle();
        let mut program = device(&master);
        raw(&program);
        rig.writes(b"hello");
        assert_eq!(rig.reads(&mut program, 5), b"hello", "round {round}");
        program.write_all(b"ls\r").unwrap();
        rig.until(|rig| rig.console.input_waiting() == 3);
        assert_eq!(rig.takes(), b"ls\r");
    }
    rig.settle();
    rig.writes(&pattern(1 << 18));
    rig.settle();
    assert!(!rig.is_readable() && rig.local.left() > 0, "the ring keeps what no program reads");
    let mut program = device(&master);
    let mut some = [0; 100];
    assert!(readable(&program, &rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 }));
    assert!(program.read(&mut some).unwrap() > 0);
}

/// The system calls that write, so far, of this thread. `None` if the system does not count them.
fn writes() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("syscw: "))?.parse().ok()
}

/// It waits for a program that may come, and does not try without end.
#[test]
fn the_end_at_a_master_without_a_program_does_not_spin() {
    let (master, first) = terminal();
    drop(first);
    let mut rig = Rig::new(1 << 20, |local| local.with_both(&master));
    rig.writes(&pattern(1 << 19));
    rig.settle();
    assert!(rig.local.left() > 0);
    let before = writes();
    rig.local.finish(std::time::Duration::from_millis(300)).unwrap_err();
    if let Some(tries) = writes().zip(before).map(|(now, before)| now - before) {
        assert!(tries <= 100, "{tries}");
    }
}
