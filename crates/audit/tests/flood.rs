//! Floods of events, and events that an observer was not told of.

mod support;

use std::time::{Duration, UNIX_EPOCH};

use vuart_audit::{Audit, AuditEntry, LostBecause};
use vuart_endpoint::{ConsoleEvent, EventKind};

/// The number of events at once that anybody can cause without a right at the console. One more each second.
const BURST: u64 = 32;

fn event(number: u64, seconds: u64, kind: EventKind) -> ConsoleEvent {
    ConsoleEvent::new(number, (UNIX_EPOCH + Duration::from_secs(seconds)).into(), 0, kind)
}

/// The entries that these events lead to: the numbers of the events that are there, and the gaps.
fn told(events: &[ConsoleEvent]) -> Vec<(u64, u64, Option<LostBecause>)> {
    let audit = Audit::new(1 << 20).unwrap();
    let mut observe = audit.observer("vm0");
    events.iter().for_each(&mut observe);
    let told = support::parsed(&support::trail(&audit)).into_iter().filter_map(|line| match line.entry {
        AuditEntry::Console { event, .. } => Some((event.number, event.number + 1, None)),
        AuditEntry::Lost { from, to, because, .. } => Some((from, to, Some(because))),
        // The trail's own.
        _ => None,
    });
    told.collect()
}

/// Each number is there once, in order: as an event or as a part of a gap.
fn assert_complete(told: &[(u64, u64, Option<LostBecause>)], first: u64, end: u64) {
    let mut next = first;
    for (from, to, _) in told {
        assert_eq!(*from, next, "{told:?}");
        next = *to;
    }
    assert_eq!(next, end, "{told:?}");
}

/// Ten thousand events of a guest, and one that it can't cause.
fn assert_hides_nobody(kind: &EventKind) {
    let mut events: Vec<_> = (0..10_000).map(|number| event(number, 0, kind.clone())).collect();
    events.push(event(10_000, 0, EventKind::Enabled));
    let told = told(&events);
    assert_complete(&told, 0, 10_001);
    assert_eq!(told.len() as u64, BURST + 2);
    assert_eq!(told[told.len() - 2], (BURST, 10_000, Some(LostBecause::Flood)));
    assert_eq!(told[told.len() - 1], (10_000, 10_001, None));
}

#[test]
fn a_guest_that_floods_hides_nobody() {
    assert_hides_nobody(&EventKind::GuestBreak { count: 1 });
}

#[test]
fn f5_a_guest_that_reboots_all_the_time_hides_nobody() {
    assert_hides_nobody(&EventKind::GuestReset { count: 1 });
}

#[test]
fn the_guest_and_the_clients_have_budgets_of_their_own_which_time_fills() {
    let mut events: Vec<_> = (0..100).map(|number| event(number, 0, EventKind::GuestHungUp)).collect();
    // A client's, beside the guest's.
    events.push(event(100, 0, EventKind::InputAbandoned { bytes: 1 }));
    // One more of the guest's each second, for a while.
    events.extend((101..200).map(|number| event(number, number, EventKind::GuestHungUp)));
    let told = told(&events);
    assert_complete(&told, 0, 200);
    let gaps: Vec<_> = told.iter().filter(|told| told.2.is_some()).collect();
    assert_eq!(gaps, [&(BURST, 100, Some(LostBecause::Flood))]);
}

#[test]
fn what_an_observer_was_not_told_of_is_declared() {
    let mut events = vec![event(7, 0, EventKind::Enabled), event(9, 0, EventKind::Disabled)];
    events.extend((10..50).map(|number| event(number, 0, EventKind::GuestHungUp)));
    events.push(event(60, 0, EventKind::Enabled));
    let told = told(&events);
    assert_complete(&told, 7, 61);
    assert_eq!(told[1], (8, 9, Some(LostBecause::Slow)));
    assert_eq!(
        told[told.len() - 3..told.len() - 1],
        [(10 + BURST, 50, Some(LostBecause::Flood)), (50, 60, Some(LostBecause::Slow))]
    );
}
