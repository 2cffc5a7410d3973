//! `vuart attach` on a terminal.

mod support;

use rustix::process::Signal;
#[cfg(feature = "demo")]
use support::Demo;
use support::pty::{Pty, attached};
use support::served::Served;
use support::{Runtime, run};
use vuart_endpoint::Cause;

#[cfg(feature = "demo")]
#[test]
fn two_people_take_over_from_each_other_and_each_is_told() {
    let runtime = Runtime::new();
    let _demo = Demo::start(&runtime);
    let mut alice = Pty::new();
    let before = alice.settings();
    let first = alice.spawn(&mut runtime.vuart(&["attach", "demo", "--label", "alice"]));
    alice.expect("[vuart: attached to demo as owner; ~. detaches, ~? helps]\r\n");
    let pid = first.child.id();

    let done = run(&mut runtime.vuart(&["attach", "demo"]));
    assert_eq!(done.code, 4);
    let line = done.one_line();
    assert!(line.contains(&format!("held by alice (uid {}, pid {pid}) since 20", uid())), "{line}");
    assert!(line.contains("--force") && line.contains("--spy"), "{line}");

    let mut bob = Pty::new();
    let second = bob.spawn(&mut runtime.vuart(&["attach", "demo", "--label", "bob", "--force"]));
    bob.expect(&format!("taken over from alice (uid {}, pid {pid});", uid()));
    let (code, shown) = alice.finish(first);
    assert_eq!(code, 5);
    assert!(shown.contains("[vuart: bob (uid "), "{shown}");
    assert!(shown.ends_with("attach demo --force]\r\n"), "{shown}");
    assert_eq!(alice.settings(), before);

    let third = alice.spawn(&mut runtime.vuart(&["attach", "demo", "--label", "alice", "--force"]));
    alice.expect("taken over from bob (uid ");
    assert_eq!(bob.finish(second).0, 5);
    alice.type_in(b"echo again\r");
    alice.expect("\r\nagain\r\n> ");
    alice.type_in(b"~.");
    assert_eq!(alice.finish(third).0, 0);
}

#[cfg(feature = "demo")]
fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn e10_an_escape_is_recognised_anywhere_in_a_read() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    for (typed, taken) in [
        (&b"ls\r~."[..], &b"ls\r"[..]),
        (b"~~.\r~.", b"~.\r"),
        (b"a~.\r~B~.", b"a~.\r^"),
        (b"rm\x1d", b"rm"),
        (b"~x\r~\x1d\r~.tail", b"~x\r\x1d\r"),
    ] {
        let (mut pty, client) = attached(&runtime, &[]);
        pty.type_in(typed);
        let (code, shown) = pty.finish(client);
        let sent = if taken.contains(&b'^') { "[vuart: a break: sent]\r\n" } else { "" };
        assert_eq!((code, shown), (0, format!("{sent}[vuart: detached]\r\n")));
        assert_eq!(served.typed(), taken);
        assert!(served.console.owner().is_none());
    }
}

#[test]
fn e10_an_escape_is_recognised_byte_by_byte() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    // Once the guest has the bytes before the tilde, the client has read the tilde as well.
    pty.type_in(b"x\r~");
    assert_eq!(served.typed_exactly(2), b"x\r");
    pty.type_in(b"?");
    pty.expect("suspend vuart");
    pty.expect("detach]\r\n");
    pty.type_in(b"y\r~");
    assert_eq!(served.typed_exactly(2), b"y\r");
    pty.type_in(b".");
    assert_eq!(pty.finish(client).0, 0);
    assert!(served.typed().is_empty());
}

#[test]
fn e13_bytes_are_never_changed() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    // All bytes except the one that is an escape anywhere.
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != 0x1d).collect();
    pty.type_in(&all);
    assert_eq!(served.typed_exactly(all.len()), all);
    served.write(b"\n\r\x08\tend");
    pty.expect("\n\r\x08\tend");
    pty.type_in(b"\r~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn e12_the_terminal_is_restored_on_every_way_out() {
    let runtime = Runtime::new();
    let mut served = Some(Served::new(&runtime, 4096));
    let mut ways: Vec<(&str, Option<Signal>, i32)> = vec![
        ("detached", None, 0),
        ("terminated", Some(Signal::TERM), 143),
        ("interrupted", Some(Signal::INT), 130),
        ("quit", Some(Signal::QUIT), 131),
        ("ended", None, 0),
    ];
    // A signal that is ignored at the start, as under nohup, stays ignored.
    if !hangup_is_ignored() {
        ways.insert(1, ("hung up", Some(Signal::HUP), 129));
    }
    for (way, signal, expected) in ways {
        let mut pty = Pty::new();
        let before = pty.settings();
        let client = pty.spawn(&mut runtime.vuart(&["attach", "vm0"]));
        pty.expect("~? helps]\r\n");
        assert!(pty.is_raw() && pty.settings() != before);
        match (signal, way) {
            (Some(signal), _) => client.signal(signal),
            (None, "detached") => pty.type_in(b"~."),
            (None, _) => served.take().unwrap().end(&Cause::VmEnded),
        }
        let (code, shown) = pty.finish(client);
        assert_eq!(code, expected, "{way}: {shown}");
        assert_eq!(pty.settings(), before, "{way}");
    }
}

fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() & 1 != 0
}

#[cfg(feature = "demo")]
#[test]
fn a_killed_server_ends_the_session() {
    let runtime = Runtime::new();
    let demo = Demo::start_with(&runtime, &["--name", "vm0"]);
    let before = Pty::new().settings();
    let (mut pty, client) = attached(&runtime, &[]);
    demo.process.signal(Signal::KILL);
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 7);
    assert!(
        shown.ends_with('\n') && shown.contains("vuart: the connection to the console was lost"),
        "{shown}"
    );
    assert_eq!(pty.settings(), before);
}

#[test]
fn a_server_that_shuts_down_ends_the_session() {
    let runtime = Runtime::new();
    let served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    served.end(&Cause::ShutDown);
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 7);
    assert!(shown.contains("vuart: the server of vm0 has shut down"), "{shown}");
}

#[test]
fn a_console_that_has_ended() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"last words");
    served.console.end(&Cause::VmEnded);
    let done = run(&mut runtime.vuart(&["attach", "vm0"]));
    assert_eq!(done.code, 3);
    assert!(done.one_line().contains("the guest has ended at 20"), "{}", done.stderr);
    assert!(run(&mut runtime.vuart(&["list"])).text().contains("ended"));
    // Its history can still be read.
    assert_eq!(run(&mut runtime.vuart(&["log", "vm0"])).stdout, b"last words");
}

#[test]
fn an_escape_is_seen_when_the_guest_reads_nothing() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut pty, client) = attached(&runtime, &[]);
    let paste = vec![b'x'; 100 << 10];
    pty.type_in(&paste);
    pty.type_in(b"\r~.");
    let (code, shown) = pty.finish(client);
    assert_eq!(code, 0);
    assert!(shown.contains("detached; the guest has not taken all that was typed"), "{shown}");
    // The guest keeps what it had taken; the rest was discarded with the session.
    assert!(served.typed().iter().all(|byte| *byte == b'x'));
}

#[test]
fn e14_a_paste_is_held_back_and_not_cut_when_the_guest_is_slow() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (pty, client) = attached(&runtime, &[]);
    let paste: Vec<u8> = (b'!'..=b'}').cycle().take(1 << 20).collect();
    let typist = std::thread::spawn({
        let paste = paste.clone();
        move || {
            pty.type_in(&paste);
            pty
        }
    });
    assert!(served.typed_exactly(paste.len()) == paste, "it is not what was pasted");
    let mut pty = typist.join().unwrap();
    pty.type_in(b"\r~.");
    assert_eq!(pty.finish(client).0, 0);
}

#[test]
fn a_spectator_sees_the_output_and_its_input_is_ignored() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    let (mut owner, first) = attached(&runtime, &["--label", "alice"]);
    let mut pty = Pty::new();
    let second = pty.spawn(&mut runtime.vuart(&["attach", "vm0", "--spy"]));
    pty.expect("[vuart: watching vm0, which alice (uid ");
    pty.expect("helps]\r\n");
    pty.type_in(b"rm -rf /\r");
    pty.expect("[vuart: you are watching: what you type goes nowhere; ~. detaches]\r\n");
    served.write(b"login: ");
    pty.expect("login: ");
    owner.expect("login: ");
    pty.type_in(b"more\r~B~.");
    pty.expect("\r\n[vuart: a break: not sent, because you are watching]\r\n");
    let (code, shown) = pty.finish(second);
    assert_eq!((code, shown.as_str()), (0, "[vuart: detached]\r\n"));
    assert!(served.typed().is_empty());
    assert_eq!(served.console.counters().input_accepted, 0);
    owner.type_in(b"~.");
    assert_eq!(owner.finish(first).0, 0);
}

#[test]
fn history_is_shown_when_it_is_asked_for() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(b"0123456789");
    for (replay, shown) in [("all", "0123456789"), ("3", "789"), ("none", "")] {
        let (mut pty, client) = attached(&runtime, &["--replay", replay]);
        if replay == "none" {
            let hint = pty.expect("all]\r\n");
            assert!(hint.starts_with("[vuart: 10 bytes of history are not shown: "), "{hint}");
            assert!(hint.contains("log vm0"), "{hint}");
        }
        // The escape is typed after the history is shown, because no output is shown after the escape.
        if !shown.is_empty() {
            pty.expect(shown);
        }
        pty.type_in(b"~.");
        let (code, rest) = pty.finish(client);
        assert_eq!(code, 0);
        assert_eq!(rest.trim_start_matches("\r\n"), "[vuart: detached]\r\n");
    }
}

#[test]
fn lost_output_is_declared() {
    let runtime = Runtime::new();
    let mut served = Served::new(&runtime, 4096);
    served.write(&[b'x'; 10_000]);
    let (mut pty, client) = attached(&runtime, &["--replay", "all"]);
    pty.expect("xxxx");
    // A stopped client is lapped.
    client.signal(Signal::STOP);
    for _ in 0..1000 {
        served.write(&[b'y'; 4096]);
    }
    served.write(b"here again");
    client.signal(Signal::CONT);
    pty.expect(" bytes are lost here]\r\n");
    pty.expect("here again");
    pty.type_in(b"~.");
    assert_eq!(pty.finish(client).0, 0);
}
