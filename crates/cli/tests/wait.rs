//! Sessions that become something else while they go on: waiting in line, evicted and watching, taking the console back.

mod support;

use std::process::Stdio;

use support::pty::{Pty, attached};
use support::served::Served;
use support::{Process, Runtime, run};
use vuart_endpoint::{Attach, Evicted, Identity, Mode, Policy, Session};

/// A terminal attached to a console.
fn somebody(served: &Served, label: &str, mode: Mode) -> Session {
    served.console.attach(Attach::new(Identity::new(label, 1000, Some(42))).with_mode(mode)).unwrap()
}

#[test]
fn whoever_waits_is_told_the_place_and_the_turn() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let alice = somebody(&served, "alice", Mode::Exclusive);
    let bob = somebody(&served, "bob", Mode::Wait);
    let mut pty = Pty::new();
    let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0", "--wait"]));
    pty.expect(
        "[vuart: waiting for vm0, which alice (uid 1000, pid 42) holds: one is before you in line; ~. ",
    );
    pty.expect("~? helps]\r\n");
    pty.type_in(b"rm -rf /\r");
    pty.expect("what you type goes nowhere; ~. detaches]\r\n");
    served.write(b"login: ");
    pty.expect("login: ");
    drop(bob);
    pty.expect("[vuart: you are next in line]\r\n");
    drop(alice);
    pty.expect("[vuart: the console is yours now]\r\n");
    pty.type_in(b"root\r");
    assert_eq!(served.typed_exactly(5), b"root\r");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
    assert!(served.typed().is_empty());
}

#[test]
fn piped_input_waits_for_its_turn() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut alice = somebody(&served, "alice", Mode::Exclusive);
    let mut command = runtime.vuart(&["attach", "vm0", "--wait"]);
    let mut client =
        Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    std::io::Write::write_all(&mut client.child.stdin.take().unwrap(), b"reboot\r").unwrap();
    client.expect_stderr(b"you are next in line; the end of the input detaches]\n");
    alice.write(b"ls").unwrap();
    assert_eq!(served.typed(), b"ls");
    drop(alice);
    assert_eq!(served.typed_exactly(7), b"reboot\r");
    let done = client.finish();
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (0, "[vuart: the console is yours now]\n[vuart: detached]\n")
    );

    // Nobody holds it: it is ours at once.
    let (mut pty, client) = attached(&runtime, &["--wait"]);
    served.until("an owner", |console| console.owner().is_some());
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
    for wrong in [["--wait", "--force"], ["--wait", "--spy"], ["--return", "--spy"]] {
        assert_eq!(run(&mut runtime.vuart(&[&["attach", "vm0"], &wrong[..]].concat())).code, 2, "{wrong:?}");
    }
}

#[test]
fn e2_an_evicted_owner_who_watches_on_is_told_and_can_take_it_back() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let (mut pty, client) = attached(&runtime, &["--label", "alice"]);
    served.until("alice", |console| console.owner().is_some());
    let bob = somebody(&served, "bob", Mode::TakeOver);
    pty.expect("[vuart: bob (uid 1000, pid 42) took the console over at 20");
    pty.expect("; you watch on; ~R takes it back]\r\n");
    served.write(b"# ");
    pty.expect("# ");
    pty.type_in(b"ls\r");
    pty.expect("what you type goes nowhere; ~. detaches]\r\n");
    pty.type_in(b"~R");
    pty.expect("[vuart: the console is yours, taken over from bob (uid 1000, pid 42)]\r\n");
    // Nothing of the output was shown twice, and nothing is lost.
    served.write(b"more");
    assert_eq!(pty.expect("more"), "more");
    pty.type_in(b"id\r~R");
    assert_eq!(served.typed_exactly(3), b"id\r");
    pty.expect("[vuart: the console is yours already]\r\n");
    assert!(bob.end().is_none());
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
    // Under this policy bob would have had to ask for it to be given it back.
    assert!(served.console.owner().is_none());
}

#[test]
fn whoever_asked_for_it_has_the_console_back_when_the_taker_leaves() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let (mut pty, client) = attached(&runtime, &["--return"]);
    let bob = somebody(&served, "bob", Mode::TakeOver);
    pty.expect("; it is yours again when they leave, or at once with ~R]\r\n");
    drop(bob);
    pty.expect("[vuart: the console is yours now]\r\n");
    pty.type_in(b"ls\r");
    assert_eq!(served.typed_exactly(3), b"ls\r");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn a_script_that_is_evicted_does_not_watch_on() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    served.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut command = runtime.vuart(&["attach", "vm0"]);
    let mut client =
        Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    client.expect_stderr(b"detaches]\n");
    // All of its input has been sent, and the guest has not taken it.
    std::io::Write::write_all(&mut client.child.stdin.take().unwrap(), b"reboot\r").unwrap();
    served.until("input", |console| console.input_waiting() == 7);
    let _bob = somebody(&served, "bob", Mode::TakeOver);
    let done = client.finish();
    assert_eq!(done.code, 5, "{}", done.stderr);
    assert!(done.stderr.starts_with("[vuart: bob (uid 1000, pid 42) took the console over at 20"));
}

#[test]
fn others_see_how_large_the_terminal_is() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let mut pty = Pty::new();
    pty.resize(132, 43);
    let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0"]));
    let size = |columns, rows| {
        served.until("a size", |console| {
            let window = console.owner().and_then(|owner| owner.window);
            window.is_some_and(|window| (window.columns, window.rows) == (columns, rows))
        });
    };
    size(132, 43);
    pty.expect("~? helps]\r\n");
    pty.resize(80, 24);
    client.signal(rustix::process::Signal::WINCH);
    size(80, 24);
    // And on the terminal itself one sees who is there.
    pty.type_in(b"~W");
    pty.expect("[vuart: SESSION  WHO ");
    pty.expect("  80x24]\r\n");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn a_key_of_sysrq_comes_behind_its_break() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    pty.type_in(b"~St~S.ls\r~.");
    assert_eq!(pty.finish(client).0, 0);
    assert_eq!(served.typed(), b"^t^.ls\r");
}

#[test]
fn output_begins_at_the_offset_that_is_given() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"0123456789");
    let (mut pty, client) = attached(&runtime, &["--from", "7"]);
    assert_eq!(pty.expect("9"), "789");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
    let done = run(&mut runtime.vuart(&["attach", "vm0", "--from", "7", "--replay", "all"]));
    assert_eq!(done.code, 2);
}

#[test]
fn what_becomes_of_lost_output_can_be_chosen() {
    for (on_lag, code) in [("ignore", 0), ("disconnect", 8)] {
        let runtime = Runtime::new();
        let mut served = Served::new(&runtime, 4096);
        let (mut pty, client) = attached(&runtime, &["--on-lag", on_lag]);
        served.write(b"begun");
        pty.expect("begun");
        client.signal(rustix::process::Signal::STOP);
        for _ in 0..1000 {
            served.write(&[b'y'; 4096]);
        }
        served.write(b"here again");
        client.signal(rustix::process::Signal::CONT);
        if code == 0 {
            assert!(!pty.expect("here again").contains("vuart"));
            pty.type_in(b"~.");
        }
        let (ended, shown) = pty.finish(client);
        assert_eq!(ended, code, "{shown}");
        if code == 8 {
            assert!(shown.contains(" was lost, and the session was to lose nothing at 20"), "{shown}");
        }
    }
}
