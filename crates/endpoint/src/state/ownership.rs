//! Who owns the console.

use std::time::{Duration, Instant};

use crate::info::SessionId;
use crate::standing::Epoch;

/// The present ownership, if any, and the number of the last one.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    owner: Option<SessionId>,
    /// The number of the present ownership, or of the last one.
    epoch: Epoch,
    /// The time at which the owner typed last, or became the owner.
    typed_at: Option<Instant>,
}

impl Ownership {
    /// Begins a new ownership.
    pub(crate) fn begin(&mut self, id: SessionId, now: Instant) -> Epoch {
        self.epoch = self.epoch.next();
        self.owner = Some(id);
        self.typed_at = Some(now);
        self.epoch
    }

    /// Ends the present ownership, and returns whose it was.
    pub(crate) fn end(&mut self) -> Option<SessionId> {
        self.typed_at = None;
        self.owner.take()
    }

    pub(crate) fn owner(&self) -> Option<SessionId> {
        self.owner
    }

    /// The number of a session's ownership, if it owns the console.
    pub(crate) fn epoch_of(&self, id: SessionId) -> Option<Epoch> {
        (self.owner == Some(id)).then_some(self.epoch)
    }

    /// Whether this is the present ownership. A session that does not know of its present ownership has an older number, or
    /// none.
    pub(crate) fn is(&self, id: SessionId, epoch: Option<Epoch>) -> bool {
        epoch.is_some() && self.epoch_of(id) == epoch
    }

    pub(crate) fn typed(&mut self, now: Instant) {
        self.typed_at = Some(now);
    }

    /// The time at which the owner will have typed nothing for as long as `idle`.
    pub(crate) fn idle_at(&self, idle: Option<Duration>) -> Option<Instant> {
        // A time that can't be expressed never comes.
        self.typed_at?.checked_add(idle?)
    }
}
