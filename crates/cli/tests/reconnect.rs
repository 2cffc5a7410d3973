//! `vuart attach --reconnect`: sessions whose connection is lost.

mod support;

use rustix::process::Signal;
#[cfg(feature = "demo")]
use support::Demo;
use support::pty::{self, Pty};
use support::served::Served;
use support::{Process, Runtime};
use vuart_endpoint::{Attach, Cause, Evicted, Identity, Policy};
use vuart_scrollback::Scrollback;

/// A person who has attached with `--reconnect`.
fn attached(runtime: &Runtime, more: &[&str]) -> (Pty, Process) {
    pty::attached(runtime, &[&["--reconnect"], more].concat())
}

fn leave(mut pty: Pty, client: Process) {
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

fn owner(served: &Served) -> String {
    served.console.owner().unwrap().identity.label().to_owned()
}

#[test]
fn e17_an_evicted_client_does_not_come_back_as_owner() {
    for evicted in [Evicted::Disconnected, Evicted::Spectates] {
        let runtime = Runtime::new();
        let policy = Policy::default().with_evicted(evicted);
        let mut served = Served::new(&runtime, 1 << 16);
        served.console.set_policy(policy);
        let (mut alice, first) = attached(&runtime, &["--label", "alice"]);
        let (mut bob, second) = attached(&runtime, &["--label", "bob", "--force"]);
        alice.expect("[vuart: bob (uid ");
        alice.expect("took the console over at 20");
        // The evicted client watches or has ended.
        let there = if evicted == Evicted::Spectates { 2 } else { 1 };
        let mut first = Some(first);
        if there == 1 {
            assert_eq!(alice.finish(first.take().unwrap()).0, 5);
        }
        // However often both reconnect, neither takes the console over.
        for storm in 0..8 {
            let (output, scrollback) = served.stop();
            served = Served::prepared(&runtime, output, scrollback, |console| console.set_policy(policy)).0;
            served.until_sessions(there);
            bob.expect("[vuart: the console is yours again]\r\n");
            assert_eq!(owner(&served), "bob", "storm {storm}");
            let counters = served.console.counters();
            assert_eq!((counters.taken_over, counters.attached), (0, there as u64), "storm {storm}");
            bob.type_in(b"x\r");
            assert_eq!(served.typed_exactly(2), b"x\r");
        }
        if let Some(first) = first {
            leave(alice, first);
        }
        leave(bob, second);
    }
}

#[test]
fn e17_of_two_reconnecting_clients_one_becomes_owner() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 1 << 16);
    let (alice, first) = attached(&runtime, &["--label", "alice"]);
    let (bob, second) = attached(&runtime, &["--label", "bob", "--wait"]);
    for storm in 0..8 {
        served = served.restarted(&runtime);
        served.until_sessions(2);
        // Either may be first. A former owner that finds the console held waits in the queue.
        let counters = served.console.counters();
        assert_eq!(counters.taken_over, 0, "storm {storm}");
        let sessions = served.console.sessions();
        assert_eq!(sessions.iter().filter(|session| session.owner).count(), 1, "{sessions:?}");
        assert_eq!(sessions.iter().filter(|session| session.waiting).count(), 1, "{sessions:?}");
    }
    leave(alice, first);
    leave(bob, second);
}

#[test]
fn e17_a_former_owner_that_finds_the_console_held_is_told_by_whom_and_waits() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let (mut alice, client) = attached(&runtime, &[]);
    let (output, scrollback) = served.stop();
    let carol = |console: &vuart_endpoint::Console| {
        console.attach(Attach::new(Identity::new("carol", 1000, Some(42)))).unwrap()
    };
    let (mut served, carol) = Served::prepared(&runtime, output, scrollback, carol);
    alice.expect("[vuart: back: carol (uid 1000, pid 42) holds the console since 20");
    alice.expect("; you are next in line]\r\n");
    assert!(carol.end().is_none());
    drop(carol);
    alice.expect("[vuart: the console is yours now]\r\n");
    alice.type_in(b"ls\r");
    assert_eq!(served.typed_exactly(3), b"ls\r");
    leave(alice, client);
}

#[test]
fn a_reconnect_shows_no_byte_twice_and_declares_holes() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"[begin]");
    let mut command = runtime.vuart(&["attach", "vm0", "--spy", "--reconnect", "--replay", "all"]);
    let mut client = Process::without_input(&mut command);
    client.expect_stdout(b"[begin]");
    for round in 0..5 {
        let (mut output, scrollback) = served.stop();
        // The guest writes while there is no server.
        output.extend(format!("[away {round}]").as_bytes());
        served = Served::on(&runtime, output, scrollback);
        assert_eq!(client.expect_stdout(b"]"), format!("[away {round}]").as_bytes());
        served.write(format!("[here {round}]").as_bytes());
        assert_eq!(client.expect_stdout(b"]"), format!("[here {round}]").as_bytes());
    }
    let (mut output, scrollback) = served.stop();
    let next = scrollback.end();
    output.extend(&[b'x'; 10_000]);
    let served = Served::on(&runtime, output, scrollback);
    let lost = served.console.scrollback().oldest() - next;
    client.expect_stderr(format!("[vuart: {lost} bytes are lost here]\n").as_bytes());
    served.end(&Cause::VmEnded);
    let done = client.finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.stdout.len() as u64, 10_000 - lost);
    assert!(done.stdout.iter().all(|byte| *byte == b'x'));
}

#[test]
fn another_ring_is_shown_from_its_beginning() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"0123456789");
    let (mut pty, client) = attached(&runtime, &["--replay", "all"]);
    pty.expect("0123456789");
    // The new output is shorter than what was shown; then as long or longer, but different.
    for text in ["short", "other", "another guest altogether"] {
        served.stop();
        let (mut output, scrollback) = Scrollback::new(4096).unwrap();
        output.extend(text.as_bytes());
        served = Served::on(&runtime, output, scrollback);
        pty.expect("[vuart: the console has begun anew, and so does its output]\r\n");
        pty.expect("[vuart: the console is yours again]\r\n");
        assert_eq!(pty.expect(text), text);
    }
    leave(pty, client);
}

#[test]
fn another_ring_is_noticed_without_any_shown_output() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"0123456789");
    let (mut pty, client) = attached(&runtime, &[]);
    served.stop();
    let (mut output, scrollback) = Scrollback::new(4096).unwrap();
    output.extend(b"short");
    let _served = Served::on(&runtime, output, scrollback);
    pty.expect("[vuart: the console has begun anew, and so does its output]\r\n");
    pty.expect("short");
    leave(pty, client);
}

#[test]
fn the_last_output_of_a_guest_that_ended_meanwhile_is_shown() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"login: ");
    let (mut pty, client) = attached(&runtime, &["--replay", "all"]);
    pty.expect("login: ");
    let (mut output, scrollback) = served.stop();
    output.extend(b"Kernel panic");
    let end = |console: &vuart_endpoint::Console| console.end(&Cause::VmEnded);
    let (_served, ()) = Served::prepared(&runtime, output, scrollback, end);
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 0);
    assert!(shown.contains("Kernel panic\r\n[vuart: the guest has ended]\r\n"), "{shown}");
}

#[test]
fn while_reconnecting_the_user_can_leave_and_typing_is_ignored() {
    let runtime = Runtime::new();
    for (way, expected) in [(None, 0), (Some(Signal::TERM), 143)] {
        let served = Served::new(&runtime, 4096);
        let mut pty = Pty::new();
        let before = pty.settings();
        let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0", "--reconnect"]));
        pty.expect("~? helps]\r\n");
        // The server announces its end, or does not.
        if way.is_some() {
            served.end(&Cause::ShutDown);
        } else {
            served.stop();
        }
        pty.expect("[vuart: the connection was lost: waiting for the console to come back; ");
        pty.type_in(b"rm -rf /\r");
        match way {
            None => pty.type_in(b"~."),
            Some(signal) => client.signal(signal),
        }
        assert_eq!(pty.finish(client).0, expected);
        assert_eq!(pty.settings(), before);
    }
    // Input that was typed meanwhile is discarded, and so are escapes that need a server.
    let served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    served.stop();
    pty.expect("the connection was lost");
    for escape in [&b"rm -rf /\r~R"[..], b"~W", b"~?"] {
        pty.type_in(escape);
        pty.type_in(b"\r");
    }
    pty.type_in(b"~?");
    pty.expect("suspend vuart");
    let mut served = Served::new(&runtime, 4096);
    pty.expect("[vuart: the console is yours again]\r\n");
    pty.type_in(b"ls\r");
    assert_eq!(served.typed_exactly(3), b"ls\r");
    leave(pty, client);
}

#[test]
fn a_kicked_client_does_not_reconnect() {
    for (way, code) in [("kicked", 9), ("switched off", 11)] {
        let runtime = Runtime::new();
        let served = Served::new(&runtime, 4096);
        let (mut pty, client) = attached(&runtime, &[]);
        if way == "kicked" {
            let by = Identity::new("root", 0, None);
            assert!(served.console.kick(served.console.owner().unwrap().id, &by));
        } else {
            served.console.disable();
        }
        assert_eq!(pty.finish(client).0, code);
        assert_eq!(served.console.counters().attached, 1);
    }
}

#[test]
fn piped_input_continues_with_its_unread_part_after_a_reconnect() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut command = runtime.vuart(&["attach", "vm0", "--reconnect"]);
    let mut client = Process::piped(&mut command);
    client.expect_stderr(b"detaches]\n");
    let mut stdin = client.child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"first\r").unwrap();
    assert_eq!(served.typed_exactly(6), b"first\r");
    served.stop();
    client.expect_stderr(b"what was typed last may be lost]\n");
    std::io::Write::write_all(&mut stdin, b"second\r").unwrap();
    let mut served = Served::new(&runtime, 4096);
    assert_eq!(served.typed_exactly(7), b"second\r");
    // A script whose input has ended does not reconnect.
    drop(stdin);
    assert_eq!(client.finish().code, 0);
}

#[cfg(feature = "demo")]
#[test]
fn a_session_survives_a_killed_vmm_whose_ring_another_continues() {
    let runtime = Runtime::new();
    let shm = tempfile::tempdir_in("/dev/shm").unwrap();
    let ring = shm.path().join("ring");
    let demo = ["--name", "vm0", "--ring", ring.to_str().unwrap()];
    let first = Demo::start_with(&runtime, &demo);
    let (mut pty, client) = attached(&runtime, &[]);
    pty.type_in(b"echo one\r");
    pty.expect("\r\none\r\n> ");
    first.process.signal(Signal::KILL);
    pty.expect("the connection was lost");
    drop(first);
    let _second = Demo::start_with(&runtime, &demo);
    pty.expect("[vuart: the console is yours again]\r\n");
    // The boot of the new guest is shown.
    pty.expect("> ");
    pty.type_in(b"echo two\r");
    pty.expect("\r\ntwo\r\n> ");
    leave(pty, client);
}
