//! How sessions end, and what their clients are told of it.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use support::{attach, end, mode};
use vuart_endpoint::{Cause, Evicted, Mode, OnLag, Policy, Refused};
use vuart_scrollback::Position;
use vuart_test_support::{HANG, Vm};
use vuart_wire::{AttachRequest, ClientError, DetachRequest, ErrorCode, Event, Request};

/// A stream of bytes can't tell its client that it only watches from now on.
#[test]
fn an_evicted_raw_client_is_told_so_and_closed_under_any_policy() {
    use std::io::Read as _;
    let vm = Vm::new(4096);
    vm.console.set_policy(Policy::default().with_evicted(Evicted::Spectates));
    let mut raw = std::os::unix::net::UnixStream::connect(vm.file("sock")).unwrap();
    raw.set_read_timeout(Some(HANG)).unwrap();
    let deadline = Instant::now() + HANG;
    while vm.console.owner().is_none() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    let (_bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    let mut told = String::new();
    raw.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("\r\n[vuart: the console was taken over by bob (uid "), "{told}");
}

#[test]
fn a_session_that_must_miss_nothing_ends_at_the_hole() {
    let mut vm = Vm::new(4096);
    let mut other = vm.client("bob");
    let request =
        AttachRequest { on_lag: OnLag::Disconnect, mode: Mode::Spectate, ..AttachRequest::default() };
    let (mut client, _) = attach(&vm, "alice", request);
    // More than the socket and the ring take together.
    for _ in 0..4096 {
        vm.guest.writer.extend(&[b'x'; 1024]);
        vm.console.doorbell().ring_if_armed();
        // So that the server has looked.
        other.status().unwrap();
    }
    let mut next = 0;
    let cause = loop {
        match client.recv().unwrap() {
            Event::Output { offset, bytes } => {
                assert_eq!(offset, next, "no byte is missing before the end");
                next += bytes.len() as u64;
            }
            Event::Ended(end) => break end.cause,
            other => panic!("{other:?}"),
        }
    };
    let Cause::Lagged { from, to } = cause else { panic!("{cause:?}") };
    assert!(from == next && to > from, "{from}..{to}, received up to {next}");
    assert_eq!(vm.console.counters().lags, 1);
}

#[test]
fn a_kicked_session_is_told_by_whom() {
    let vm = Vm::new(4096);
    let (mut alice, attached) = attach(&vm, "alice", mode(Mode::Exclusive));
    let mut guard = vm.client("guard");
    guard.kick(attached.session).unwrap();
    assert!(matches!(end(&mut alice), Cause::Kicked { by } if by.label() == "guard"));
    match guard.kick(attached.session) {
        Err(ClientError::Server(error)) => assert_eq!(error.code, ErrorCode::NoSession),
        other => panic!("{other:?}"),
    }
    // Its connection goes on.
    assert!(alice.attach(Mode::Exclusive, Position::End).unwrap().owner);
}

#[test]
fn a_disabled_console_refuses_and_says_since_when() {
    let vm = Vm::new(4096);
    let (mut alice, _) = attach(&vm, "alice", mode(Mode::Spectate));
    vm.console.disable();
    assert_eq!(end(&mut alice), Cause::Disabled);
    let since = vm.console.disabled().unwrap();
    match alice.attach(Mode::Wait, Position::End) {
        Err(ClientError::Refused(refused)) => assert_eq!(refused, Refused::Disabled { since }),
        other => panic!("{other:?}"),
    }
    assert_eq!(alice.status().unwrap().disabled, Some(since));
    vm.console.enable();
    alice.attach(Mode::Wait, Position::End).unwrap();
}

#[test]
fn e3_each_cause_has_a_code_of_its_own() {
    let mut codes = Vec::new();
    // The causes of a session's end while the console goes on.
    let vm = Vm::new(4096);
    for number in 0..4 {
        let (mut client, attached) = attach(&vm, "alice", mode(Mode::TakeOver));
        match number {
            0 => client.send(&Request::Detach(DetachRequest::default())).unwrap(),
            1 => drop(attach(&vm, "bob", mode(Mode::TakeOver))),
            2 => vm.client("guard").kick(attached.session).unwrap(),
            _ => vm.console.disable(),
        }
        codes.push(end(&mut client));
    }
    // The causes of the console's end.
    for cause in [Cause::VmEnded, Cause::Migrating, Cause::ShutDown] {
        let vm = Vm::new(4096);
        let (mut client, _) = attach(&vm, "alice", mode(Mode::Exclusive));
        vm.console.end(&cause);
        assert_eq!(end(&mut client), cause);
        codes.push(cause);
    }
    // The other causes need a guest, a port or time: see `crates/vuart/tests/hang_up_served.rs`, `server.rs`, and above.
    codes.extend([Cause::Idle, Cause::GuestHungUp, Cause::PortDropped, Cause::Lagged { from: 0, to: 1 }]);
    let mut codes: Vec<String> = codes
        .iter()
        .map(|cause| serde_json::to_value(cause).unwrap()["code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            "detached",
            "disabled",
            "evicted",
            "guest-hung-up",
            "idle",
            "kicked",
            "lagged",
            "migrating",
            "port-dropped",
            "shut-down",
            "vm-ended"
        ]
    );
}

#[test]
fn an_ended_console_has_no_deadline() {
    let vm = Vm::new(4096);
    vm.console.set_policy(Policy::default().with_idle(Duration::from_millis(1)));
    let (_alice, _) = attach(&vm, "alice", mode(Mode::Spectate));
    let (_bob, _) = attach(&vm, "bob", mode(Mode::Exclusive));
    vm.console.end(&Cause::VmEnded);
    assert_eq!(vm.console.service(Instant::now() + HANG), None);
}
