//! How much of the trail those can fill who have no right to anything at the console.

use vuart_endpoint::{EventKind, Timestamp};

/// Who can cause an event as often as they like, whatever rights they have at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cheap {
    /// The guest, which is hostile.
    Guest,
    /// Any client that gets as far as to be refused, or to watch.
    Client,
}

impl Cheap {
    /// Sessions are not among them: each was granted, and all of them are in the trail.
    pub(super) fn of(kind: &EventKind) -> Option<Self> {
        match kind {
            EventKind::GuestHungUp | EventKind::GuestBreak { .. } | EventKind::Lagged { .. } => {
                Some(Self::Guest)
            }
            EventKind::Refused { .. } | EventKind::InputAbandoned { .. } | EventKind::Resized { .. } => {
                Some(Self::Client)
            }
            _ => None,
        }
    }
}

/// So many at once, and so many more as time goes by.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
    /// When the last one came in.
    at: Option<Timestamp>,
}

impl Budget {
    /// At once.
    pub(super) const BURST: u64 = 32;

    /// One more comes in each of these, in milliseconds.
    pub(super) const EVERY: u64 = 1000;

    pub(super) fn new() -> Self {
        Self { left: Self::BURST, at: None }
    }

    /// Whether there is one left at this moment.
    pub(super) fn take(&mut self, at: Timestamp) -> bool {
        let before = self.at.get_or_insert(at);
        let more = at.as_millis().saturating_sub(before.as_millis()) / Self::EVERY;
        // Also when the clock was set back.
        if more > 0 || at < *before {
            *before = at;
        }
        self.left = self.left.saturating_add(more).min(Self::BURST);
        let taken = self.left > 0;
        self.left -= u64::from(taken);
        taken
    }
}
