//! `vuart demo` on a terminal.

#![cfg(feature = "demo")]

mod support;

use rustix::process::Signal;
use support::pty::Pty;
use support::{Process, Runtime};

/// Starts the demo on a terminal, and waits for the guest's prompt.
fn interactive(runtime: &Runtime) -> (Pty, Process) {
    let mut pty = Pty::new();
    let demo = pty.spawn(&mut runtime.vuart(&["demo", "--engine", "software"]));
    let shown = pty.expect("\r\n> ");
    assert!(shown.contains("[vuart: attached to demo as owner; ~. detaches and stops the guest"), "{shown}");
    assert!(pty.is_raw());
    (pty, demo)
}

#[test]
fn on_a_terminal_it_is_a_console() {
    let runtime = Runtime::new();
    let before = Pty::new().settings();
    let (mut pty, demo) = interactive(&runtime);
    pty.type_in(b"echo hullo\x7f\x7f\x7flo\r");
    pty.expect("\r\nhulo\r\n> ");
    pty.type_in(b"halt\r");
    let (code, shown) = pty.finish(demo);
    assert_eq!((code, shown.as_str()), (0, "halt\r\nhalting\r\n[vuart: the guest has ended]\r\n"));
    assert_eq!(pty.settings(), before);
    assert!(runtime.files().is_empty());
}

#[test]
fn detaching_stops_the_guest() {
    let runtime = Runtime::new();
    let (mut pty, demo) = interactive(&runtime);
    pty.type_in(b"\r~.");
    let (code, shown) = pty.finish(demo);
    assert_eq!(code, 0);
    assert!(shown.ends_with("[vuart: detached; the guest is stopped]\r\n"), "{shown}");
    assert!(!pty.is_raw());
    assert!(runtime.files().is_empty());
}

#[test]
fn an_evicted_demo_keeps_serving_and_the_console_can_be_taken_back() {
    let runtime = Runtime::new();
    let (mut pty, demo) = interactive(&runtime);
    let mut other = Pty::new();
    let client = other.spawn(&mut runtime.vuart(&["attach", "demo", "--force", "--label", "bob"]));
    other.expect("[vuart: attached to demo as owner, taken over from tester (uid ");
    pty.expect("[vuart: bob (uid ");
    pty.expect("type take to take it back, ^C to stop it]\r\n");
    assert!(!pty.is_raw());

    other.type_in(b"echo mine\r");
    other.expect("\r\nmine\r\n> ");
    // Input that was meant for the guest does not take the console back.
    pty.type_in(b"ls\n\n");
    pty.expect("ls\r\n\r\n");
    pty.type_in(b"take\n");
    let shown = other.expect("took the console over at ");
    assert!(shown.contains("[vuart: tester (uid "), "{shown}");
    assert_eq!(other.finish(client).0, 5);
    // The output continues where it stopped.
    pty.expect("taken over from bob (uid ");
    let shown = pty.expect("echo mine\r\nmine\r\n> ");
    assert!(!shown.contains("vuart monitor"), "{shown}");
    pty.type_in(b"halt\r");
    let (code, shown) = pty.finish(demo);
    assert_eq!((code, shown.as_str()), (0, "halt\r\nhalting\r\n[vuart: the guest has ended]\r\n"));
    assert!(runtime.files().is_empty());
}

#[test]
fn an_evicted_demo_ends_with_the_guest_or_by_a_signal() {
    for halt in [true, false] {
        let runtime = Runtime::new();
        let (mut pty, demo) = interactive(&runtime);
        let mut other = Pty::new();
        let client = other.spawn(&mut runtime.vuart(&["attach", "demo", "--force"]));
        pty.expect("to stop it]\r\n");
        other.expect("helps]\r\n");
        if halt {
            other.type_in(b"halt\r");
        } else {
            demo.signal(Signal::INT);
        }
        let (code, shown) = pty.finish(demo);
        assert_eq!(code, if halt { 0 } else { 130 });
        assert!(shown.contains(if halt { "the guest has ended" } else { "SIGINT: the guest is stopped" }));
        let (code, shown) = other.finish(client);
        assert_eq!(code, 0);
        assert!(shown.contains("[vuart: the guest has ended]"), "{shown}");
        assert!(runtime.files().is_empty());
    }
}

#[test]
fn a_signal_on_a_terminal_restores_it_and_leaves_nothing_behind() {
    let runtime = Runtime::new();
    let before = Pty::new().settings();
    let (mut pty, demo) = interactive(&runtime);
    demo.signal(Signal::TERM);
    let (code, shown) = pty.finish(demo);
    assert_eq!(code, 143);
    assert!(shown.contains("[vuart: SIGTERM: the guest is stopped]"), "{shown}");
    assert_eq!(pty.settings(), before);
    assert!(runtime.files().is_empty());
}
