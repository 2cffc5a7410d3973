//! Sessions whose role changes: from the queue to owner, from owner to spectator, and back.

mod support;

use support::pty::{Pty, attached};
use support::served::{Served, identity};
use support::{Process, Runtime, run};
use vuart_endpoint::{Attach, Evicted, Mode, Policy, Session};

/// Attaches another client.
fn somebody(served: &Served, label: &str, mode: Mode) -> Session {
    served.console.attach(Attach::new(identity(label)).with_mode(mode)).unwrap()
}

#[test]
fn a_client_in_the_queue_is_told_its_place_and_when_it_owns_the_console() {
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
fn piped_input_waits_in_the_queue() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let mut alice = somebody(&served, "alice", Mode::Exclusive);
    let mut command = runtime.vuart(&["attach", "vm0", "--wait"]);
    let mut client = Process::piped(&mut command);
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

    // A free console is owned at once.
    let (mut pty, client) = attached(&runtime, &["--wait"]);
    served.until("an owner", |console| console.owner().is_some());
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
    for wrong in [["--wait", "--force"], ["--wait", "--spy"], ["--return", "--spy"]] {
        assert_eq!(run(&mut runtime.vuart(&[&["attach", "vm0"], &wrong[..]].concat())).code, 2, "{wrong:?}");
    }
}

#[test]
fn e2_an_evicted_owner_that_watches_is_told_and_can_take_the_console_back() {
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
    // No output is shown twice, and none is lost.
    served.write(b"more");
    assert_eq!(pty.expect("more"), "more");
    pty.type_in(b"id\r~R");
    assert_eq!(served.typed_exactly(3), b"id\r");
    pty.expect("[vuart: the console is yours already]\r\n");
    assert!(bob.end().is_none());
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
    // Bob has not attached with `returning`, so he does not get the console back.
    assert!(served.console.owner().is_none());
}

#[test]
fn with_return_an_evicted_owner_gets_the_console_back() {
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
fn an_evicted_script_ends() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    served.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut command = runtime.vuart(&["attach", "vm0"]);
    let mut client = Process::piped(&mut command);
    client.expect_stderr(b"detaches]\n");
    // The client has sent all of its input, and the guest has not taken it.
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
    // `~W` shows the sizes on the terminal.
    pty.type_in(b"~W");
    pty.expect("[vuart: at vm0:\r\nSESSION  WHO ");
    pty.expect(" (you)  owner ");
    pty.expect("  80x24]\r\n");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn a_sysrq_key_follows_its_break() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    pty.type_in(b"~St~S.ls\r~.");
    assert_eq!(pty.finish(client).0, 0);
    assert_eq!(served.typed(), b"^t^.ls\r");
}

#[test]
fn output_begins_at_the_given_offset() {
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
fn on_lag_decides_what_happens_when_output_is_lost() {
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
