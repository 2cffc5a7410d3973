//! A console's events on their way into the trail.

use crate::flood::{Budget, Cheap};
use crate::line::{AuditEntry, AuditLine, LostBecause};
use vuart_endpoint::{ConsoleEvent, Timestamp};

/// The trail's view of one console.
#[derive(Debug)]
pub(crate) struct Source {
    console: String,
    /// The number of the next event, once one has come.
    next: Option<u64>,
    /// The number of the first event that was held back and is not declared yet.
    held: Option<u64>,
    guest: Budget,
    clients: Budget,
}

impl Source {
    pub(crate) fn new(console: &str) -> Self {
        let console = console.chars().take(AuditLine::NAME_MAX).collect();
        Self { console, next: None, held: None, guest: Budget::new(), clients: Budget::new() }
    }

    /// Puts the entries for an event: the event itself, unless it is one too many, and what is missing before it.
    pub(crate) fn observe(&mut self, event: &ConsoleEvent, mut put: impl FnMut(AuditEntry)) {
        let (number, at) = (event.number, event.at);
        if let Some(next) = self.next
            && next < number
        {
            if let Some(first) = self.held.take() {
                put(self.lost(at, first, next, LostBecause::Flood));
            }
            put(self.lost(at, next, number, LostBecause::Slow));
        }
        self.next = number.checked_add(1);
        let affordable = match Cheap::of(&event.kind) {
            Some(Cheap::Guest) => self.guest.take(at),
            Some(Cheap::Client) => self.clients.take(at),
            None => true,
        };
        if !affordable {
            self.held.get_or_insert(number);
            return;
        }
        if let Some(first) = self.held.take() {
            put(self.lost(at, first, number, LostBecause::Flood));
        }
        put(AuditEntry::Console { console: self.console.clone(), event: event.clone() });
    }

    fn lost(&self, at: Timestamp, from: u64, to: u64, because: LostBecause) -> AuditEntry {
        AuditEntry::Lost { at, console: Some(self.console.clone()), from, to, because }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use vuart_endpoint::EventKind;

    fn event(number: u64, seconds: u64, kind: EventKind) -> ConsoleEvent {
        ConsoleEvent::new(number, (UNIX_EPOCH + Duration::from_secs(seconds)).into(), 0, kind)
    }

    /// The entries that these events lead to: the numbers of the events that are there, and the gaps.
    fn told(events: &[ConsoleEvent]) -> Vec<(u64, u64, Option<LostBecause>)> {
        let mut source = Source::new("vm0");
        let mut told = Vec::new();
        for event in events {
            source.observe(event, |entry| {
                told.push(match entry {
                    AuditEntry::Console { event, .. } => (event.number, event.number + 1, None),
                    AuditEntry::Lost { from, to, because, .. } => (from, to, Some(because)),
                    AuditEntry::Began { .. } => panic!("the trail's own"),
                });
            });
        }
        told
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

    #[test]
    fn a_guest_that_floods_hides_nobody() {
        let mut events: Vec<_> =
            (0..10_000).map(|number| event(number, 0, EventKind::GuestBreak { count: 1 })).collect();
        events.push(event(10_000, 0, EventKind::Enabled));
        let told = told(&events);
        assert_complete(&told, 0, 10_001);
        assert_eq!(told.len() as u64, Budget::BURST + 2);
        assert_eq!(told[told.len() - 2], (Budget::BURST, 10_000, Some(LostBecause::Flood)));
        assert_eq!(told[told.len() - 1], (10_000, 10_001, None));
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
        assert_eq!(gaps, [&(Budget::BURST, 100, Some(LostBecause::Flood))]);
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
            [(10 + Budget::BURST, 50, Some(LostBecause::Flood)), (50, 60, Some(LostBecause::Slow))]
        );
    }
}
