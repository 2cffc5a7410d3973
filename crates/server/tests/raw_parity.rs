//! Raw sockets that behave as those of other VMMs: what a client is sent first, and no text of the server's own.

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use support::terminal::{last_words, open};
use support::{attach, mode, with_pty};
use vuart_endpoint::{Cause, Mode};
use vuart_scrollback::Position;
use vuart_server::{RawPolicy, RawReplay, ServerOptions, Sockets};
use vuart_test_support::{Vm, open_files, part, play, read_to, until};
use vuart_wire::{DetachRequest, Request};

/// A console with a terminal, whose clients without a protocol are sent this first.
fn replaying(replay: RawReplay) -> Vm {
    Vm::with(ServerOptions::default().with_raw_replay(replay), |claim| {
        with_pty(Sockets::bind(claim).unwrap())
    })
}

/// The options of a server that does as Cloud Hypervisor's `--serial socket=PATH`: the newest client gets in, is sent what was kept,
/// and finds nothing else in the stream.
fn cloud_hypervisor() -> ServerOptions {
    ServerOptions::default()
        .with_raw(RawPolicy::TakeOver)
        .with_raw_replay(RawReplay::All)
        .with_raw_notices(false)
}

fn silent() -> Vm {
    Vm::with(ServerOptions::default().with_raw_notices(false), |claim| {
        with_pty(Sockets::bind(claim).unwrap())
    })
}

/// Everything up to the end of the stream. A reset is no end.
fn rest(client: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn cloud_hypervisor_replays_its_buffer_at_connect() {
    let mut vm = Vm::with(cloud_hypervisor(), |claim| Sockets::bind(claim).unwrap());
    vm.guest.writes(b"booted\r\nlogin: ");
    let mut client = vm.connect("sock");
    assert_eq!(read_to(&mut client, ": "), "booted\r\nlogin: ");
    // Live output follows.
    client.write_all(b"root\n").unwrap();
    assert_eq!(vm.guest.reads(5), b"root\n");
    vm.guest.writes(b"Password: ");
    assert_eq!(read_to(&mut client, ": "), "Password: ");
}

#[test]
fn cloud_hypervisor_shuts_the_previous_connection_down_for_a_new_one() {
    let mut vm = Vm::with(cloud_hypervisor(), |claim| Sockets::bind(claim).unwrap());
    vm.guest.writes(b"one");
    let mut first = vm.connect("sock");
    assert_eq!(read_to(&mut first, "one"), "one");
    let mut second = vm.connect("sock");
    assert_eq!(rest(&mut first), b"", "the end of the stream, and no word");
    // Unlike there, what the first one has read is there for the second one, too.
    vm.guest.writes(b"two");
    assert_eq!(read_to(&mut second, "two"), "onetwo");
    assert_eq!(vm.console.counters().taken_over, 1);
}

/// Its standard output is the guest's bytes, all of them and nothing else.
#[test]
fn firecracker_s_stream_is_the_guest_s_bytes_alone() {
    let mut vm = silent();
    let mut client = vm.connect("sock");
    vm.until("it is attached", |console| console.owner().is_some());
    let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    vm.guest.writes(&all);
    let bye = b"reboot: Restarting system\r\n";
    vm.guest.writes(bye);
    vm.console.end(&Cause::VmEnded);
    let received = rest(&mut client);
    assert!(received == [&all[..], bye].concat(), "{} bytes", received.len());
}

#[test]
fn each_replay_begins_where_it_says() {
    for (replay, expected) in [
        (RawReplay::None, ""),
        (RawReplay::All, "bios\none\ntwo\nthree"),
        (RawReplay::Bytes(7), "o\nthree"),
        (RawReplay::Bytes(1 << 40), "bios\none\ntwo\nthree"),
        (RawReplay::Lines(2), "two\nthree"),
        (RawReplay::Lines(u64::MAX), "bios\none\ntwo\nthree"),
        (RawReplay::Boot, "one\ntwo\nthree"),
    ] {
        let mut vm = replaying(replay);
        vm.guest.writes(b"bios\n");
        vm.guest.writer.mark();
        vm.guest.writes(b"one\ntwo\nthree");
        let (mut raw, mut watching) = (vm.connect("sock"), vm.connect("ro.sock"));
        vm.until("both are attached", |console| console.sessions().len() == 2);
        vm.guest.writes(b"END");
        for client in [&mut raw, &mut watching] {
            assert_eq!(read_to(client, "END"), format!("{expected}END"), "{replay:?}");
        }
        // The program at the terminal gets the same.
        drop(raw);
        vm.until("the owner has left", |console| console.owner().is_none());
        let mut terminal = open(vm.file("pty"));
        vm.until("it is attached", |console| console.owner().is_some());
        vm.guest.writes(b"FIN");
        let end = if replay == RawReplay::None { "" } else { "END" };
        let received = read_to(&mut terminal, "FIN");
        match replay {
            RawReplay::Bytes(7) => assert_eq!(received, "hreeENDFIN"),
            RawReplay::Lines(2) => assert_eq!(received, "two\nthreeENDFIN"),
            _ => assert_eq!(received, format!("{expected}{end}FIN"), "{replay:?}"),
        }
    }
}

#[test]
fn by_default_a_raw_client_is_sent_what_comes_from_now_on() {
    let mut vm = Vm::new(1 << 14);
    vm.guest.writes(b"earlier");
    let mut client = vm.connect("sock");
    vm.until("it is attached", |console| console.owner().is_some());
    vm.guest.writes(b"later");
    assert_eq!(read_to(&mut client, "later"), "later");
}

/// E6: a replay takes nothing away, however often it is read.
#[test]
fn e6_every_client_is_replayed_the_same() {
    let mut vm = replaying(RawReplay::All);
    vm.guest.writes(b"once.");
    for _ in 0..3 {
        assert_eq!(read_to(&mut vm.connect("ro.sock"), "."), "once.");
    }
}

#[test]
fn without_notices_a_refusal_is_a_close() {
    let mut vm = silent();
    let mut first = vm.connect("sock");
    first.write_all(b"x").unwrap();
    vm.guest.reads(1);
    for _ in 0..3 {
        let mut second = vm.connect("sock");
        if let Err(error) = second.write_all(b"hello") {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        assert_eq!(end_of(&mut second), b"");
    }
    assert_eq!(vm.console.counters().refused, 3);
    // The first one is undisturbed.
    vm.guest.writes(b"still here");
    assert_eq!(read_to(&mut first, "here"), "still here");
}

/// Everything up to the end of the stream, or the reset that the client finds who writes in the moment of the close.
fn end_of(client: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    if let Err(error) = client.read_to_end(&mut all) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    all
}

#[test]
fn without_notices_a_client_without_a_role_is_closed_and_so_is_one_without_a_place() {
    let nobody = ServerOptions::default().with_raw_notices(false).with_authoriser(|_| None);
    let vm = Vm::with(nobody, |claim| with_pty(Sockets::bind(claim).unwrap()));
    for ending in ["sock", "ro.sock"] {
        assert_eq!(rest(&mut vm.connect(ending)), b"", "{ending}");
    }
    assert_eq!(last_words(&mut open(vm.file("pty"))), "", "the terminal is hung up");
    let none = ServerOptions::default().with_raw_notices(false).with_clients(0);
    let vm = Vm::with(none, |claim| Sockets::bind(claim).unwrap());
    assert_eq!(rest(&mut vm.connect("ro.sock")), b"");
}

#[test]
fn without_notices_the_end_of_a_session_is_the_end_of_the_stream() {
    for cause in [Cause::VmEnded, Cause::ShutDown, Cause::Migrating] {
        let mut vm = silent();
        let (mut owner, mut watcher) = (vm.connect("sock"), vm.connect("ro.sock"));
        vm.until("both are attached", |console| console.sessions().len() == 2);
        vm.guest.writes(b"halted.");
        vm.console.end(&cause);
        assert_eq!(rest(&mut owner), b"halted.");
        assert_eq!(rest(&mut watcher), b"halted.");
        assert_eq!(rest(&mut vm.connect("sock")), b"", "refused from now on");
    }
    // An eviction, a kick.
    let vm = silent();
    let mut owner = vm.connect("sock");
    vm.until("it is attached", |console| console.owner().is_some());
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    assert_eq!(rest(&mut owner), b"");
    bob.send(&Request::Detach(DetachRequest::default())).unwrap();
    bob.recv().unwrap();
    let mut terminal = open(vm.file("pty"));
    vm.until("it is attached", |console| console.owner().is_some());
    let session = vm.console.owner().unwrap().id;
    vm.client("carol").kick(session).unwrap();
    assert_eq!(last_words(&mut terminal), "");
}

/// It has what its socket held.
#[test]
fn without_notices_a_stopped_client_that_was_evicted_finds_the_end_when_it_reads_on() {
    let mut vm = silent();
    let mut owner = vm.connect("sock");
    vm.until("it is attached", |console| console.owner().is_some());
    // More than its socket and the ring hold.
    until("its socket is full", || {
        vm.guest.writes(&[b'x'; 4096]);
        vm.console.scrollback().end() > 4 << 20
    });
    let (mut bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    assert!(rest(&mut owner).iter().all(|byte| *byte == b'x'));
    bob.status().unwrap();
}

/// What an evicted client has sent and nobody has read does not turn the end of its stream into a reset.
#[test]
fn an_evicted_client_with_unread_input_finds_the_end_of_the_stream() {
    let vm = silent();
    let mut owner = vm.connect("sock");
    // More than the console takes from a guest that does not read.
    owner.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(written) = owner.write(&[b'x'; 4096]) {
        sent += written as u64;
    }
    owner.set_nonblocking(false).unwrap();
    assert!(sent > 8192, "{sent}");
    vm.until("it has typed", |console| console.input_waiting() > 0);
    let (_bob, _) = attach(&vm, "bob", mode(Mode::TakeOver));
    assert_eq!(rest(&mut owner), b"");
    // The guest never gets it, and it is counted.
    vm.until("it is counted", |console| {
        let counters = console.counters();
        counters.input_abandoned + counters.input_discarded == sent
    });
}

#[test]
fn without_notices_a_hole_is_silent_and_counted() {
    let mut vm =
        Vm::with(ServerOptions::default().with_raw_notices(false), |claim| Sockets::bind(claim).unwrap());
    let mut client = vm.connect("ro.sock");
    vm.until("it is attached", |console| console.sessions().len() == 1);
    for _ in 0..1_000 {
        vm.guest.writes(&[b'x'; 4096]);
    }
    vm.guest.writes(b"END");
    let all = read_to(&mut client, "END");
    let kept = all.len() - 3;
    assert_eq!(all[..kept].matches('x').count(), kept, "output and nothing else");
    let counters = vm.console.counters();
    assert_eq!(kept as u64 + counters.lagged_bytes, 4096 * 1_000);
    assert!(counters.lags > 0, "a socket and a ring of 64 KiB do not hold 4 MB");
}

/// A client that stops reading in the middle of a replay, one that dies there, and one that sends garbage cost nobody anything.
#[test]
fn hostile_clients_of_a_replay_harm_nobody() {
    const TEST: &str = "hostile_clients_of_a_replay_harm_nobody";
    // In a process of its own, so that other tests do not change what is open.
    if part().is_none() {
        let output = play(TEST, "alone", |command| command);
        return assert!(output.status.success(), "{output:?}");
    }
    let options = ServerOptions::default().with_raw_replay(RawReplay::All).with_raw_notices(false);
    let mut vm =
        Vm::within(tempfile::tempdir().unwrap(), 1 << 20, options, |claim| Sockets::bind(claim).unwrap());
    vm.guest.writes(&vec![b'x'; 1 << 20]);
    let stopped: Vec<_> = (0..8).map(|_| vm.connect("ro.sock")).collect();
    vm.until("they are attached", |console| console.sessions().len() == 8);
    let before = open_files();
    for n in 0..100 {
        let mut dies = vm.connect("ro.sock");
        let _ = dies.write_all(&[0xff; 1000]);
        let _ = dies.read(&mut [0; 1000]);
        drop(dies);
        vm.until("it is gone", |console| console.counters().ended > n);
    }
    let mut client = vm.client("alice");
    client.attach(Mode::Exclusive, Position::End).unwrap();
    vm.guest.writes(b"alive");
    assert_eq!(support::output(&mut client, 5).1, b"alive");
    drop(client);
    vm.until("she is gone", |console| console.owner().is_none());
    let after = || open_files() <= before;
    until("nothing stays open", after);
    drop(stopped);
}
