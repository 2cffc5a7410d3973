//! What is pasted into `vuart attach`: nothing in it is an escape, and nothing of it reaches the local shell.

mod support;

use std::os::unix::process::CommandExt as _;
use std::sync::mpsc::channel;
use std::thread;

use rustix::process::Signal;
use support::Runtime;
use support::pty::{Pty, attached};
use support::served::Served;
use vuart_endpoint::Cause;

const BEGINS: &[u8] = b"\x1b[200~";
const ENDS: &[u8] = b"\x1b[201~";

/// Types `~.`, which must still detach, and waits for the end.
fn leave(mut pty: Pty, client: support::Process) {
    pty.type_in(b"~.");
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.ends_with("[vuart: detached]\r\n"), "{shown}");
}

#[test]
fn f11_a_marked_paste_reaches_the_guest_unchanged_whatever_it_contains() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    for pasted in [&b"a\r~.b\r"[..], b"\r~Sb\r", b"\x1d\r", b"\r~\x1aid\r", b"~~\r", b"a\r~.\r"] {
        let (pty, client) = attached(&runtime, &[]);
        let paste = [BEGINS, pasted, ENDS].concat();
        pty.type_in(&paste);
        assert_eq!(served.typed_exactly(paste.len()), paste);
        leave(pty, client);
    }
}

#[test]
fn f11_a_paste_without_marks_reaches_the_guest_unchanged() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    // The escape stands at the end of what the terminal holds: a read ends there, and more is there already.
    let long = [&[b'x'; 4091][..], b"\r~.\r", &[b'y'; 4000], b"\r"].concat();
    for paste in [&b"a\r~.b\r"[..], b"\r~Sbx\r", b"\x1dx\r", b"\r~\x1aid\r", b"\r~~.\r", &long] {
        let (pty, client) = attached(&runtime, &[]);
        pty.type_in(paste);
        assert_eq!(served.typed_exactly(paste.len()), paste);
        leave(pty, client);
    }
}

#[test]
fn f11_a_spectators_paste_neither_detaches_nor_suspends() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut pty = Pty::new();
    let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0", "--spy"]));
    pty.expect("~? helps]\r\n");
    pty.type_in(&[BEGINS, b"\r~.\r~\x1a\x1d\r", ENDS].concat());
    pty.expect("what you type goes nowhere; ~. detaches]\r\n");
    served.write(b"login: ");
    pty.expect("login: ");
    leave(pty, client);
    assert!(served.typed().is_empty());
}

/// Ends a session in the middle of a paste. Returns whether a shell on the terminal would get none of it.
fn ends_in_a_paste(way: &str) -> bool {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let (mut pty, mut client) = attached(&runtime, &["--label", "alice"]);
    // The client reads nothing before its session ends.
    client.signal(Signal::STOP);
    client.stopped();
    // This is more than the system holds, so that the rest of it comes when there is room.
    let hand = pty.hand();
    let (begun, begins) = channel();
    let typist = thread::spawn(move || {
        hand.type_in(b"touch /tmp/pwned\r");
        begun.send(()).unwrap();
        hand.type_in(&b"touch /tmp/pwned\r".repeat(3000));
    });
    begins.recv().unwrap();
    let other = match way {
        "ended" => {
            served.console.end(&Cause::VmEnded);
            None
        }
        "evicted" => Some(attached(&runtime, &["--force"])),
        _ => {
            client.signal(Signal::TERM);
            None
        }
    };
    client.signal(Signal::CONT);
    pty.finish(client);
    let clean = !pty.has_input() && typist.is_finished();
    // Lets the typist go on, if it has not finished.
    pty.read_all_until(|| typist.is_finished());
    typist.join().unwrap();
    drop(other);
    clean
}

#[test]
fn f11_nothing_of_what_was_typed_for_the_guest_reaches_the_shell() {
    for way in ["ended", "evicted", "terminated"] {
        // The typist may not get to run for so long that the rest of the paste is taken for something new.
        assert!((0..5).any(|_| ends_in_a_paste(way)), "{way}");
    }
}

#[test]
fn f11_nothing_of_what_was_typed_reaches_the_shell_of_a_suspended_session() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut pty = Pty::new();
    let mut client = pty.spawn(runtime.vuart(&["attach", "vm0"]).process_group(0));
    pty.expect("~? helps]\r\n");
    // With text right behind it, it is pasted.
    pty.type_in(b"\r~\x1aid\r");
    assert_eq!(served.typed_exactly(6), b"\r~\x1aid\r");
    pty.type_in(b"~\x1a");
    client.stopped();
    assert!(!pty.has_input());
    client.signal(Signal::CONT);
    pty.type_in(b"\r");
    served.typed_exactly(1);
    leave(pty, client);
}
