//! A console on one end of a connection.

mod support;

use std::io::Read as _;
use std::os::unix::net::UnixStream;

use rustix::fs::{OFlags, fcntl_getfl};
use support::{Rig, fill, pattern};
use vuart_dispatch::Dispatch as _;
use vuart_endpoint::{Cause, Mode};

#[test]
fn a_connection_carries_both_ways() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 20, |local| local.with_both(&ours));
    assert!(!fcntl_getfl(&ours).unwrap().contains(OFlags::NONBLOCK));
    fill(&mut theirs, b"ls\r");
    rig.until(|rig| rig.console.input_waiting() == 3);
    assert_eq!(rig.takes(), b"ls\r");
    let output = pattern(1 << 19);
    rig.writes(&output);
    rig.settle();
    assert!(!rig.is_readable(), "a peer that does not read costs nothing");
    assert!(rig.reads(&mut theirs, output.len()) == output);
}

#[test]
fn a_peer_that_closes_ends_it_without_a_signal() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 20, |local| local.with_both(&ours));
    drop(theirs);
    rig.writes(&pattern(1000));
    rig.settle();
    assert!(rig.console.sessions().is_empty() && rig.local.is_settled());
    rig.writes(&pattern(1000));
    assert!(!rig.is_readable());
}

#[test]
fn what_a_person_types_in_vain_is_dropped_and_counted() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_both(&ours));
    let alice = rig.attach(Mode::Exclusive);
    rig.settle();
    fill(&mut theirs, b"rm -r /\r");
    rig.settle();
    drop(alice);
    rig.settle();
    assert_eq!(rig.takes(), b"");
    assert_eq!(rig.console.counters().input_abandoned, 8);
}

#[test]
fn a_flood_from_a_peer_does_not_keep_the_loop() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(1 << 16, |local| local.with_both(&ours));
    let _alice = rig.attach(Mode::Exclusive);
    let flood = std::thread::spawn(move || fill(&mut theirs, &pattern(4 << 20)));
    // Each dispatch returns, though the peer always has more.
    rig.until(|rig| rig.console.counters().input_abandoned == 4 << 20);
    flood.join().unwrap();
    assert!(rig.dispatches >= (4 << 20) / (128 << 10), "{}", rig.dispatches);
}

#[test]
fn the_last_words_arrive_when_it_is_dropped() {
    for _ in 0..10 {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut rig = Rig::new(1 << 16, |local| local.with_both(&ours));
        rig.writes(b"Kernel panic - not syncing\n");
        rig.console.end(&Cause::VmEnded);
        drop((rig, ours));
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        assert_eq!(text, "Kernel panic - not syncing\n");
    }
}
