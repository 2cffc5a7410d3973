//! Limits for events that can be caused without any right at the console.

use vuart_endpoint::{EventKind, Timestamp};

/// The one who can cause an event without limit, without any right at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cheap {
    /// The guest, which is hostile.
    Guest,
    /// Any client that is refused or only watches.
    Client,
}

impl Cheap {
    /// Returns `None` for other events. Sessions are among these: each was granted, and all of them are in the trail.
    pub(crate) fn of(kind: &EventKind) -> Option<Self> {
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

/// A number of events at once, and more as time passes.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    /// The moment of the last addition.
    at: Option<Timestamp>,
}

impl Budget {
    /// The number of events at once.
    pub(crate) const BURST: u64 = 32;

    /// The time after which one more is added, in milliseconds.
    pub(crate) const EVERY: u64 = 1000;

    pub(crate) fn new() -> Self {
        Self { left: Self::BURST, at: None }
    }

    /// Takes one at this moment. Returns whether there was one left.
    pub(crate) fn take(&mut self, at: Timestamp) -> bool {
        let before = self.at.get_or_insert(at);
        let more = at.as_millis().saturating_sub(before.as_millis()) / Self::EVERY;
        // The clock may have been set back.
        if more > 0 || at < *before {
            *before = at;
        }
        self.left = self.left.saturating_add(more).min(Self::BURST);
        let taken = self.left > 0;
        self.left -= u64::from(taken);
        taken
    }
}
