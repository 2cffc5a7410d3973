//! When the console hangs up on its guest: an owner comes, leaves, or is back in time.
//!
//! `hang_up.rs` tests what the guest sees of a hang-up. Here the guest is the smallest driver that hears of one.

mod support;

use std::time::{Duration, Instant};

use support::listener::Guest;
use vuart::endpoint::{Cause, ConsoleEvent, EventKind, HangUp, HangUpReason, Mode, Policy};
use vuart::uart::spec::{Mcr, offset::*};

const GRACE: Duration = Duration::from_secs(30);

#[test]
fn e18_another_person_does_not_get_the_last_ones_shell() {
    let mut guest = Guest::new(HangUp::OnTakeover);
    let alice = guest.attach("alice", Mode::Exclusive);
    assert_eq!(guest.hung_up(), 0, "there was nobody before");
    let bob = guest.attach("bob", Mode::TakeOver);
    assert_eq!(guest.hung_up(), 1);
    assert!(alice.end().is_some());

    // Also when the console was free in between, for any time.
    drop(bob);
    assert_eq!(guest.time_passes(1000 * GRACE), None);
    assert_eq!(guest.hung_up(), 0, "he has left, and nobody has come");
    drop(guest.attach("carol", Mode::Exclusive));
    assert_eq!(guest.hung_up(), 1);
    // And when a session that has waited comes to own it.
    let carol = guest.attach("carol", Mode::Exclusive);
    let dave = guest.attach("dave", Mode::Wait);
    assert_eq!(guest.hung_up(), 0);
    drop(carol);
    assert_eq!(guest.hung_up(), 1);
    drop(dave);
    let counters = guest.port.console().counters();
    assert_eq!((counters.hang_ups, counters.hang_ups_unheard), (3, 0));
}

#[test]
fn e16_the_same_person_from_another_terminal_is_not_hung_up_on() {
    let mut guest = Guest::new(HangUp::OnTakeover);
    let first = guest.attach("alice", Mode::Exclusive);
    let second = guest.attach("alice", Mode::TakeOver);
    drop(first);
    drop(second);
    let _third = guest.attach("alice", Mode::Exclusive);
    let _watcher = guest.attach("bob", Mode::Spectate);
    assert_eq!(guest.hung_up(), 0);
}

#[test]
fn e16_an_owner_who_is_back_in_time_is_not_hung_up_on() {
    let mut guest = Guest::new(HangUp::OnDetach { grace: GRACE });
    drop(guest.attach("alice", Mode::Exclusive));
    let deadline = guest.time_passes(Duration::ZERO).expect("a time of grace");
    assert!(deadline <= Instant::now() + GRACE);
    let again = guest.attach("alice", Mode::Exclusive);
    assert_eq!(guest.time_passes(1000 * GRACE), None, "she is back");
    assert_eq!(guest.hung_up(), 0);

    drop(again);
    assert_eq!(guest.time_passes(GRACE), None);
    assert_eq!(guest.hung_up(), 1, "she is not back");
    // The session was hung up: the next owner finds none.
    drop(guest.attach("bob", Mode::Exclusive));
    assert_eq!(guest.hung_up(), 0);
    // Another person within the time of grace leads to a hang-up at once.
    drop(guest.attach("carol", Mode::Exclusive));
    assert_eq!(guest.hung_up(), 1);
}

#[test]
fn e16_without_grace_the_hang_up_is_at_once() {
    let mut guest = Guest::new(HangUp::OnDetach { grace: Duration::ZERO });
    drop(guest.attach("alice", Mode::Exclusive));
    assert_eq!(guest.hung_up(), 1);
    drop(guest.attach("bob", Mode::Spectate));
    assert_eq!(guest.hung_up(), 0, "he has only watched");
}

#[test]
fn the_policy_never_hangs_up_never() {
    let mut guest = Guest::new(HangUp::Never);
    drop(guest.attach("alice", Mode::Exclusive));
    drop(guest.attach("bob", Mode::TakeOver));
    assert_eq!(guest.time_passes(1000 * GRACE), None);
    assert_eq!(guest.hung_up(), 0);
}

#[test]
fn the_end_of_the_guest_is_no_hang_up() {
    let mut guest = Guest::new(HangUp::OnDetach { grace: GRACE });
    let _alice = guest.attach("alice", Mode::Exclusive);
    guest.port.console().end(&Cause::VmEnded);
    assert_eq!(guest.time_passes(1000 * GRACE), None);
    assert_eq!(guest.hung_up(), 0);
}

#[test]
fn the_event_says_whether_the_guest_listens() {
    let mut guest = Guest::new(HangUp::OnTakeover);
    let (sender, events) = std::sync::mpsc::channel();
    guest.port.console().observe(move |event: &ConsoleEvent| {
        if let EventKind::HangUp { because, person, heard } = &event.kind {
            let person = person.as_ref().map(|person| person.label().to_owned());
            let _ = sender.send((*because, person, *heard));
        }
    });
    let alice = guest.attach("alice", Mode::Exclusive);
    guest.port.write_register(IER, 0);
    let _bob = guest.attach("bob", Mode::TakeOver);
    assert_eq!(events.try_recv().unwrap(), (HangUpReason::OtherPerson, Some("alice".to_owned()), false));
    assert_eq!((guest.edges.take(), guest.port.console().counters().hang_ups_unheard), (0, 1));
    drop(alice);
}

#[test]
fn a_guest_that_hangs_up_detaches_its_owner_if_the_policy_says_so() {
    for detaches in [false, true] {
        let mut guest = Guest::new(HangUp::Never);
        let policy = Policy::default();
        guest.port.console().set_policy(if detaches { policy.with_detach_on_dtr() } else { policy });
        let alice = guest.attach("alice", Mode::Exclusive);
        let watcher = guest.attach("bob", Mode::Spectate);
        guest.port.write_register(MCR, (Mcr::RTS | Mcr::OUT2).bits());
        guest.time_passes(Duration::ZERO);
        let cause = alice.end().map(|end| end.cause.clone());
        assert_eq!(cause, detaches.then_some(Cause::GuestHungUp));
        assert!(watcher.end().is_none());
        assert_eq!(guest.port.console().counters().guest_hang_ups, 1);
    }
}

/// Linux with HUPCL drops DTR when the shell that was hung up on was the last to have the port open.
#[test]
fn a_guest_that_answers_a_hang_up_does_not_detach_its_owner() {
    let mut guest = Guest::new(HangUp::OnTakeover);
    let policy = guest.port.console().policy();
    guest.port.console().set_policy(policy.with_detach_on_dtr());
    let _alice = guest.attach("alice", Mode::Exclusive);
    let bob = guest.attach("bob", Mode::TakeOver);
    assert_eq!(guest.hung_up(), 1);
    let hangs_up = |guest: &mut Guest| {
        guest.port.write_register(MCR, (Mcr::RTS | Mcr::OUT2).bits());
        guest.port.write_register(MCR, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
    };
    hangs_up(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert!(bob.end().is_none());
    // The next hang-up is the guest's own. (So would be the first, long after.)
    hangs_up(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert_eq!(bob.end().unwrap().cause, Cause::GuestHungUp);

    let carol = guest.attach("carol", Mode::Exclusive);
    assert_eq!(guest.hung_up(), 1);
    hangs_up(&mut guest);
    guest.time_passes(Duration::from_secs(11));
    assert_eq!(carol.end().unwrap().cause, Cause::GuestHungUp);
}

#[test]
fn a_break_from_the_guest_is_an_event() {
    let mut guest = Guest::new(HangUp::Never);
    let (sender, events) = std::sync::mpsc::channel();
    guest.port.console().observe(move |event: &ConsoleEvent| drop(sender.send(event.kind.clone())));
    guest.port.write_register(LCR, 0x43);
    guest.port.write_register(LCR, 0x03);
    guest.time_passes(Duration::ZERO);
    assert_eq!(events.try_recv().unwrap(), EventKind::GuestBreak { count: 1 });
}
