//! Who owns the console.

use std::time::{Duration, Instant};

use crate::info::SessionId;
use crate::standing::Epoch;

/// The present ownership, if any, and the number of the last one.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    owner: Option<SessionId>,
    /// The owner owns the console only while nobody else wants to.
    yields: bool,
    /// The owner has not typed, and yields: it is nobody yet.
    nobody: bool,
    /// The number of the present ownership, or of the last one.
    epoch: Epoch,
    /// The time at which the owner typed last, or became the owner.
    typed_at: Option<Instant>,
}

impl Ownership {
    /// Begins a new ownership.
    pub(crate) fn begin(&mut self, id: SessionId, yields: bool, now: Instant) -> Epoch {
        self.epoch = self.epoch.next();
        self.owner = Some(id);
        (self.yields, self.nobody) = (yields, yields);
        self.typed_at = (!yields).then_some(now);
        self.epoch
    }

    /// Ends the present ownership, and returns whose it was.
    pub(crate) fn end(&mut self) -> Option<SessionId> {
        self.typed_at = None;
        (self.yields, self.nobody) = (false, false);
        self.owner.take()
    }

    pub(crate) fn owner(&self) -> Option<SessionId> {
        self.owner
    }

    /// The owner, unless it yields: only such an owner keeps others out, and can be idle or left behind by the guest.
    pub(crate) fn holder(&self) -> Option<SessionId> {
        self.owner.filter(|_| !self.yields)
    }

    /// Whether a person owns the console: somebody who does not yield, or has typed.
    pub(crate) fn is_by_person(&self) -> bool {
        self.owner.is_some() && !self.nobody
    }

    /// Notes that the owner types. Returns whether it becomes a person by that.
    pub(crate) fn becomes_person(&mut self) -> bool {
        std::mem::take(&mut self.nobody)
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
        self.typed_at = (!self.yields).then_some(now);
    }

    /// The time at which the owner will have typed nothing for as long as `idle`.
    pub(crate) fn idle_at(&self, idle: Option<Duration>) -> Option<Instant> {
        // A time that can't be expressed never comes.
        self.typed_at?.checked_add(idle?)
    }
}
