//! The VMM hangs up on its guest (F8): counted, told to observers, and answered.

mod support;

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use support::Edges;
use support::listener::Guest;
use vuart::PortBuilder;
use vuart::endpoint::{Cause, ConsoleEvent, EventKind, HangUp, HangUpReason, Mode, Policy, Session};
use vuart::uart::spec::{Ier, Mcr, Msr, offset::*};

const GRACE: Duration = Duration::from_secs(30);

/// A hang-up, as observers are told of it.
type Told = (HangUpReason, Option<String>, bool);

/// Linux with HUPCL: DTR falls when the shell that was hung up on was the last to have the port open, and rises with the next login.
fn answers(guest: &mut Guest) {
    guest.port.write_register(MCR, (Mcr::RTS | Mcr::OUT2).bits());
    guest.port.write_register(MCR, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
}

/// A guest with an owner whom a hang-up of the guest detaches, and the hang-ups that observers are told of.
fn guest_that_detaches() -> (Guest, Session, Receiver<Told>) {
    let guest = Guest::new(HangUp::Never);
    guest.port.console().set_policy(Policy::default().with_detach_on_dtr());
    let (sender, events) = mpsc::channel();
    guest.port.console().observe(move |event: &ConsoleEvent| {
        if let EventKind::HangUp { because, person, heard } = &event.kind {
            let person = person.as_ref().map(|person| person.label().to_owned());
            let _ = sender.send((*because, person, *heard));
        }
    });
    let alice = guest.attach("alice", Mode::Exclusive);
    (guest, alice, events)
}

#[test]
fn f8_a_guest_that_answers_the_vmms_hang_up_detaches_nobody() {
    let (mut guest, alice, events) = guest_that_detaches();
    let console = guest.port.console().clone();
    assert!(console.hang_up());
    assert_eq!(guest.hung_up(), 1);
    answers(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert!(alice.end().is_none(), "it was an answer");
    assert_eq!(events.try_recv().unwrap(), (HangUpReason::Vmm, Some("alice".to_owned()), true));
    let counters = console.counters();
    assert_eq!((counters.hang_ups, counters.hang_ups_unheard, counters.guest_hang_ups), (1, 0, 1));

    answers(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert_eq!(alice.end().unwrap().cause, Cause::GuestHungUp, "the next is the guest's own");
}

#[test]
fn f8_an_answer_that_comes_late_is_none() {
    let (mut guest, alice, _) = guest_that_detaches();
    assert!(guest.port.console().hang_up());
    assert_eq!(guest.hung_up(), 1);
    answers(&mut guest);
    guest.time_passes(Duration::from_secs(11));
    assert_eq!(alice.end().unwrap().cause, Cause::GuestHungUp);
}

/// For the guest it is the same hang-up. Each is counted, and the last opens the time for the answer anew.
#[test]
fn f8_a_hang_up_while_one_is_due_is_counted_and_answered_once() {
    let (mut guest, alice, events) = guest_that_detaches();
    let console = guest.port.console().clone();
    assert!(console.hang_up());
    assert!(console.hang_up());
    assert_eq!(guest.hung_up(), 1, "one drop");
    answers(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert!(alice.end().is_none());
    assert_eq!((events.try_iter().count(), console.counters().hang_ups), (2, 2));
}

/// A driver that closes its port stops listening before it drops DTR. A hang-up in between is not heard, and does not make the answer to
/// the first one the guest's own hang-up.
#[test]
fn f8_a_hang_up_that_is_not_heard_leaves_the_answer_to_an_earlier_one() {
    let (mut guest, alice, _) = guest_that_detaches();
    let console = guest.port.console().clone();
    assert!(console.hang_up());
    assert_eq!(guest.hung_up(), 1);
    // The console has been told that the guest has seen it.
    guest.time_passes(Duration::ZERO);
    guest.port.write_register(IER, 0);
    assert!(!console.hang_up());
    answers(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert!(alice.end().is_none());
    assert_eq!((console.counters().hang_ups, console.counters().hang_ups_unheard), (2, 1));
}

/// The guest begins to listen long after the hang-up. The time for its answer begins then.
#[test]
fn f8_a_guest_that_listens_later_answers_later() {
    let (mut guest, alice, _) = guest_that_detaches();
    let console = guest.port.console().clone();
    guest.port.write_register(IER, 0);
    assert!(!console.hang_up());
    guest.port.write_register(IER, Ier::EDSSI.bits());
    assert_eq!(guest.hung_up(), 1);
    guest.time_passes(Duration::from_secs(1000));
    answers(&mut guest);
    guest.time_passes(Duration::from_secs(1001));
    assert!(alice.end().is_none());
}

/// A guest that has not seen the hang-up does not answer it.
#[test]
fn f8_a_guest_that_has_seen_nothing_hangs_up_by_itself() {
    let (mut guest, alice, _) = guest_that_detaches();
    guest.port.write_register(IER, 0);
    assert!(!guest.port.console().hang_up());
    answers(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert_eq!(alice.end().unwrap().cause, Cause::GuestHungUp);
}

/// The VMM itself holds DCD low: nothing can drop, so nothing is interrupted and nothing is answered.
#[test]
fn f8_a_hang_up_while_the_vmm_holds_dcd_low_is_not_heard() {
    let (mut guest, alice, _) = guest_that_detaches();
    let console = guest.port.console().clone();
    guest.port.set_modem_inputs(Msr::CTS | Msr::DSR);
    assert_eq!(guest.hung_up(), 1, "that of the VMM");
    assert!(!console.hang_up());
    assert_eq!((guest.edges.count(), console.counters().hang_ups_unheard), (0, 1));
    guest.port.set_modem_inputs(Msr::CONNECTED);
    assert_eq!(guest.hung_up(), 0, "it is not made up for");
    answers(&mut guest);
    guest.time_passes(Duration::ZERO);
    assert_eq!(alice.end().unwrap().cause, Cause::GuestHungUp);
}

#[test]
fn f8_the_person_is_whoever_may_be_logged_in() {
    let (mut guest, alice, events) = guest_that_detaches();
    let console = guest.port.console().clone();
    let policy = Policy::default().with_hang_up(HangUp::OnDetach { grace: GRACE });
    console.set_policy(policy);
    assert!(console.hang_up());
    assert_eq!(guest.hung_up(), 1);
    // She may have logged in again.
    drop(alice);
    assert!(console.hang_up());
    assert_eq!(guest.hung_up(), 1);
    let alice = Some("alice".to_owned());
    assert_eq!(
        events.try_iter().collect::<Vec<_>>(),
        [(HangUpReason::Vmm, alice.clone(), true), (HangUpReason::Vmm, alice, true)]
    );
    // Now nobody is.
    assert_eq!(guest.time_passes(1000 * GRACE), None, "nobody has to be waited for");
    assert!(console.hang_up());
    assert_eq!(events.try_recv().unwrap(), (HangUpReason::Vmm, None, true));
    assert_eq!(guest.hung_up(), 1);
    drop(guest.attach("bob", Mode::Exclusive));
    assert_eq!(guest.hung_up(), 0, "he finds no login");
}

/// A hang-up of the old VMM, whose answer comes to the new one.
#[test]
fn f8_a_restored_guest_answers_the_hang_up_that_it_has_not_seen() {
    for sees_it_low in [false, true] {
        let mut old = Guest::new(HangUp::Never);
        old.port.console().hang_up();
        if sees_it_low {
            old.port.read_register(IIR);
        }
        let edges = Edges::default();
        let port = PortBuilder::restore(&old.port.state()).build(edges.clone()).unwrap();
        let mut guest = Guest::moved(port, edges);
        guest.port.console().set_policy(Policy::default().with_detach_on_dtr());
        let alice = guest.attach("alice", Mode::Exclusive);
        assert_eq!(guest.hung_up(), 1);
        answers(&mut guest);
        guest.time_passes(Duration::ZERO);
        assert!(alice.end().is_none());
        assert_eq!(guest.port.console().counters().hang_ups, 0, "it was counted where it was made");
    }
}
