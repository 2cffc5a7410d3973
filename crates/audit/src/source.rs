//! A console's events on their way into the trail.

use crate::flood::Budget;
use crate::line::{AuditEntry, AuditLine, LostBecause};
use vuart_endpoint::{ConsoleEvent, EventKind, Timestamp};

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
        if !self.affords(&event.kind, at) {
            self.held.get_or_insert(number);
            return;
        }
        if let Some(first) = self.held.take() {
            put(self.lost(at, first, number, LostBecause::Flood));
        }
        put(AuditEntry::Console { console: self.console.clone(), event: event.clone() });
    }

    /// Whether an event has a place in the trail. The guest, which is hostile, and any client that is refused or only watches can
    /// cause events without limit. Sessions are not among these: each was granted, and all of them are in the trail.
    fn affords(&mut self, kind: &EventKind, at: Timestamp) -> bool {
        match kind {
            EventKind::GuestHungUp
            | EventKind::GuestBreak { .. }
            | EventKind::GuestReset { .. }
            | EventKind::Lagged { .. } => self.guest.take(at),
            EventKind::Refused { .. } | EventKind::InputAbandoned { .. } | EventKind::Resized { .. } => {
                self.clients.take(at)
            }
            _ => true,
        }
    }

    fn lost(&self, at: Timestamp, from: u64, to: u64, because: LostBecause) -> AuditEntry {
        AuditEntry::Lost { at, console: Some(self.console.clone()), from, to, because }
    }
}
