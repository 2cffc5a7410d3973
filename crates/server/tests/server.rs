//! Sessions over real sockets: rows E and S of `docs/rules.md`, and many clients.

mod support;

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use support::output;
use vuart_endpoint::{Cause, Mode, Refused};
use vuart_scrollback::Position;
use vuart_server::ServerOptions;
use vuart_test_support::{Guest, HANG, Vm};
use vuart_wire::{Client, ClientError, DetachRequest, ErrorCode, Event, Request};

#[test]
fn the_guest_wakes_the_server_only_when_a_session_is_there() {
    let mut vm = Vm::new(1 << 16);
    let mut client = vm.client("alice");
    client.status().unwrap();
    assert!(!vm.console.doorbell().ring_if_armed());
    client.attach(Mode::Spectate, Position::Oldest).unwrap();
    vm.guest.writes(b"login: ");
    assert_eq!(output(&mut client, 7), (0, b"login: ".to_vec()));
}

/// The number of page faults of this thread that needed no disk.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name, in parentheses, may have spaces in it; minflt is the eighth field after it.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(7).unwrap().parse().unwrap()
}

#[test]
fn the_ring_is_touched_ahead_of_the_guest() {
    let mut vm = Vm::new(1 << 20);
    if let Err(error) = vm.console.scrollback().touch_ahead(4096) {
        return println!("older than Linux 5.14: {error}");
    }
    // A server that answers has begun to serve.
    let _client = vm.client("alice");
    vm.guest.writes(b"!");
    let bytes = vec![b'x'; 60 << 10];
    faults();
    let before = faults();
    vm.guest.writes(&bytes);
    let taken = faults() - before;
    assert!(taken < 8, "{taken} page faults on 15 pages");
}

#[test]
fn a_client_attaches_types_and_reads() {
    let mut vm = Vm::new(1 << 16);
    let mut alice = vm.client("alice");
    assert_eq!(alice.welcome().console, "vm0");
    let attached = alice.attach(Mode::Exclusive, Position::End).unwrap();
    assert!(attached.owner);
    alice.send(&Request::Input(b"ls\r".to_vec())).unwrap();
    alice.send(&Request::Break).unwrap();
    assert_eq!(vm.guest.reads(4), b"ls\r^");
    vm.guest.writes(b"bin etc\r\n");
    assert_eq!(output(&mut alice, 9), (0, b"bin etc\r\n".to_vec()));
}

#[test]
fn e1_e2_e3_e4_a_second_client_is_refused_and_a_take_over_evicts_the_first() {
    let mut vm = Vm::new(1 << 16);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    alice.send(&Request::Input(b"never run".to_vec())).unwrap();
    while vm.console.input_waiting() < 9 {
        std::thread::yield_now();
    }
    let mut bob = vm.client("bob");
    match bob.attach(Mode::Exclusive, Position::End) {
        Err(ClientError::Refused(Refused::Held { holder, .. })) => {
            assert_eq!((holder.label(), holder.pid()), ("alice", Some(std::process::id())));
        }
        other => panic!("{other:?}"),
    }
    let attached = bob.attach(Mode::TakeOver, Position::End).unwrap();
    assert_eq!(attached.evicted.unwrap().label(), "alice");
    match alice.recv().unwrap() {
        Event::Ended(end) => assert!(matches!(end.cause, Cause::Evicted { by } if by.label() == "bob")),
        other => panic!("{other:?}"),
    }
    alice.send(&Request::Input(b"too late".to_vec())).unwrap();
    alice.status().unwrap();
    bob.send(&Request::Input(b"bob".to_vec())).unwrap();
    assert_eq!(vm.guest.reads(3), b"bob");
    assert_eq!(vm.console.counters().input_discarded, 9);
    // The evicted client may take the console back.
    alice.attach(Mode::TakeOver, Position::End).unwrap();
}

#[test]
fn e14_a_paste_waits_for_a_slow_guest_and_loses_nothing() {
    let mut vm = Vm::new(1 << 14);
    let paste: Vec<u8> = (0..1_000_000u32).map(|i| (i / 3).to_le_bytes()[0]).collect();
    let sender = std::thread::spawn({
        let (mut alice, paste) = (vm.client("alice"), paste.clone());
        move || {
            alice.attach(Mode::Exclusive, Position::End).unwrap();
            alice.send(&Request::Input(paste)).unwrap();
            alice.send(&Request::Detach(DetachRequest::default())).unwrap();
            match alice.recv().unwrap() {
                Event::Ended(end) => assert_eq!(end.cause, Cause::Detached),
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(vm.guest.reads(paste.len()) == paste);
    sender.join().unwrap();
}

#[test]
fn e14_input_of_a_client_that_leaves_early_is_counted() {
    let vm = Vm::new(1 << 14);
    vm.connect("sock").write_all(&vec![b'x'; 100_000]).unwrap();
    let deadline = std::time::Instant::now() + HANG;
    loop {
        let counters = vm.console.counters();
        // The session ends a moment after its last byte has been counted.
        if counters.input_accepted + counters.input_abandoned == 100_000 && vm.console.owner().is_none() {
            break assert_eq!(counters.input_accepted, 4096);
        }
        assert!(std::time::Instant::now() < deadline, "{counters:?}");
        std::thread::yield_now();
    }
}

#[test]
fn e15_s14_a_client_that_dies_gives_the_console_back() {
    let mut vm = Vm::new(1 << 16);
    for _ in 0..20 {
        let mut alice = vm.client("alice");
        alice.attach(Mode::Exclusive, Position::Oldest).unwrap();
        // Unread data on both sides makes the close a reset.
        vm.guest.writes(&[b'x'; 10_000]);
        alice.send(&Request::Input(vec![b'y'; 60_000])).unwrap();
        drop(alice);
        let mut bob = vm.client("bob");
        while bob.attach(Mode::Exclusive, Position::End).is_err() {}
    }
}

#[test]
fn s15_a_watcher_that_never_reads_disturbs_nobody() {
    let mut vm = Vm::new(1 << 14);
    let mut sleepers: Vec<Client> = (0..8).map(|n| vm.client(&format!("sleeper {n}"))).collect();
    for sleeper in &mut sleepers {
        sleeper.attach(Mode::Spectate, Position::Oldest).unwrap();
    }
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::Oldest).unwrap();
    for round in 0..1_000u32 {
        vm.guest.writes(&[round.to_le_bytes()[0]; 4096]);
        let (_, bytes) = output(&mut alice, 4096);
        assert!(bytes.iter().all(|byte| *byte == round.to_le_bytes()[0]));
    }
    // A watcher that reads again gets what its socket held, and then a hole for the rest.
    let (mut next, mut lost) = (0, 0);
    while next < 4_096_000 {
        match sleepers[0].recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, next);
                assert!((offset..).zip(&bytes).all(|(at, byte)| *byte == (at / 4096).to_le_bytes()[0]));
                next += bytes.len() as u64;
            }
            Event::Hole(hole) => {
                assert_eq!(hole.from, next);
                (next, lost) = (hole.to, lost + hole.to - hole.from);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0);
}

#[test]
fn a_spectator_sees_all_output_and_types_nothing() {
    let mut vm = Vm::new(1 << 14);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    let mut eve = vm.client("eve");
    let attached = eve.attach(Mode::Spectate, Position::End).unwrap();
    assert!(!attached.owner);
    assert_eq!(attached.held_by.unwrap().label(), "alice");
    eve.send(&Request::Input(b"rm -rf /".to_vec())).unwrap();
    eve.send(&Request::Break).unwrap();
    eve.send(&Request::Status).unwrap();
    assert!(matches!(eve.recv().unwrap(), Event::Status(status) if status.sessions.len() == 2));
    alice.send(&Request::Input(b"ls".to_vec())).unwrap();
    assert_eq!(vm.guest.reads(2), b"ls");
    vm.guest.writes(b"x");
    assert_eq!(output(&mut eve, 1).1, b"x");
}

#[test]
fn f7_clients_are_told_that_the_port_was_dropped_after_the_last_output() {
    let mut vm = Vm::new(1 << 16);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    vm.guest.writes(&vec![b'x'; 50_000]);
    // The console is not ended. Its server finds out by itself.
    drop(std::mem::replace(&mut vm.guest, Guest::new(1 << 12)));
    output(&mut alice, 50_000);
    assert!(matches!(alice.recv().unwrap(), Event::Ended(end) if end.cause == Cause::PortDropped));
    let mut reader = vm.client("reader");
    reader.log(Position::Newest(5), None).unwrap();
    assert_eq!(output(&mut reader, 5).1, b"xxxxx");
}

#[test]
fn the_end_of_a_session_comes_after_the_last_output() {
    let mut vm = Vm::new(1 << 16);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    vm.guest.writes(&vec![b'x'; 50_000]);
    vm.console.end(&Cause::VmEnded);
    output(&mut alice, 50_000);
    assert!(matches!(alice.recv().unwrap(), Event::Ended(end) if end.cause == Cause::VmEnded));
    assert!(matches!(
        vm.client("bob").attach(Mode::TakeOver, Position::End),
        Err(ClientError::Refused(Refused::Ended { .. }))
    ));
    // The history can still be read.
    let mut reader = vm.client("reader");
    reader.log(Position::Newest(5), None).unwrap();
    assert_eq!(output(&mut reader, 5).1, b"xxxxx");
}

#[test]
fn the_end_is_told_while_the_guest_writes_on() {
    let mut vm = Vm::new(1 << 14);
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    vm.guest.writes(b"before");
    vm.console.end(&Cause::ShutDown);
    let end = vm.console.scrollback().end();
    let mut next = 0;
    loop {
        vm.guest.writes(&[b'x'; 4096]);
        match alice.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, next);
                next += bytes.len() as u64;
            }
            Event::Hole(hole) => next = hole.to,
            Event::Ended(ended) => break assert_eq!(ended.cause, Cause::ShutDown),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, end, "what came before the end, and nothing after it");
}

#[test]
fn ten_thousand_connections_leave_the_console_usable() {
    let vm = Vm::new(1 << 14);
    let mut mute = Vec::new();
    for n in 0..10_000u32 {
        let stream = UnixStream::connect(vm.file("ctl")).unwrap();
        // A third stay and say nothing, a third leave at once, a third leave half a frame.
        match n % 3 {
            0 if mute.len() < 200 => mute.push(stream),
            1 => {}
            _ => (&stream).write_all(b"\x10\0").unwrap(),
        }
    }
    vm.client("alice").attach(Mode::Exclusive, Position::End).unwrap();
}

#[test]
fn when_every_place_has_a_session_a_new_client_is_told_so() {
    let vm = Vm::new(1 << 14);
    let mut clients: Vec<Client> = (0..ServerOptions::CLIENTS).map(|n| vm.client(&n.to_string())).collect();
    for client in &mut clients {
        client.attach(Mode::Spectate, Position::End).unwrap();
    }
    // An admin gets in, to look. There is no place to watch from.
    let mut more = Client::connect(&vm.file("ctl"), "one more").unwrap();
    more.status().unwrap();
    match more.attach(Mode::Spectate, Position::End) {
        Err(ClientError::Server(error)) => assert_eq!(error.code, ErrorCode::TooMany),
        other => panic!("{other:?}"),
    }
    drop(clients);
    let deadline = std::time::Instant::now() + HANG;
    while Client::connect(&vm.file("ctl"), "now").is_err() {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[test]
fn a_status_of_a_thousand_sessions_fits_into_a_frame() {
    let vm = Vm::new(1 << 14);
    let label = "\u{4e00}".repeat(64);
    let sessions: Vec<_> = (0..1000)
        .map(|_| {
            let who = vuart_endpoint::Identity::new(&label, u32::MAX, Some(u32::MAX));
            vm.console.attach(vuart_endpoint::Attach::new(who).with_mode(Mode::Spectate)).unwrap()
        })
        .collect();
    let mut alice = vm.client("alice");
    alice.attach(Mode::Exclusive, Position::End).unwrap();
    let status = vm.client("other").status().unwrap();
    assert!(status.sessions[0].owner);
    assert_eq!(status.sessions.len() as u64 + status.more_sessions, 1001);
    drop(sessions);
}

#[test]
fn the_sockets_are_removed_with_the_server() {
    let vm = Vm::new(1 << 14);
    let control = vm.file("ctl");
    assert!(control.exists());
    drop(vm);
    assert!(!control.exists());
    assert!(matches!(Client::connect(&control, "late"), Err(ClientError::NotFound { .. })));
}
