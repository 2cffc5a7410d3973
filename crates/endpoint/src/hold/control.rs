//! The console's end of the policy: it says how far the owner has read.

use std::sync::Arc;
use std::time::Instant;

use super::{FREE, MISSED, Words};
use crate::policy::OutputPolicy;
use crate::standing::Epoch;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::fence;

/// Counts of what the policy has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldCounts {
    pub(crate) holds: u64,
    pub(crate) missed: u64,
    pub(crate) unheeded: u64,
}

/// The console's end of the policy. The console uses it under its lock.
#[derive(Debug)]
pub(crate) struct HoldControl {
    words: Arc<Words>,
    owner: Option<Epoch>,
    floor: u64,
}

impl HoldControl {
    pub(super) fn new(words: Arc<Words>) -> Self {
        Self { words, owner: None, floor: FREE }
    }

    /// A look at the policy for sessions, without the console's lock.
    pub(crate) fn switch(&self) -> HoldSwitch {
        HoldSwitch(Arc::clone(&self.words))
    }

    pub(crate) fn set_policy(&mut self, policy: OutputPolicy) {
        let deadline = policy.deadline();
        if let Some(deadline) = deadline {
            // No overflow: it is at most an hour.
            let nanoseconds = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
            self.words.deadline.store(nanoseconds, Relaxed);
        }
        // Relaxed: a session that misses the change looks again when the doorbell rings for it.
        self.words.on.store(deadline.is_some(), Relaxed);
    }

    /// Whether the policy is to hold, or was until now.
    pub(crate) fn concerns(&self) -> bool {
        self.words.on.load(Relaxed) || self.floor != FREE
    }

    /// After a change of the console: `owner` is the ownership for which output waits and its cursor, if there is one, and `end` the end of
    /// the output.
    pub(crate) fn publish(&mut self, owner: Option<(Epoch, u64)>, end: u64) {
        let (epoch, floor) = owner.map_or((None, FREE), |(epoch, cursor)| (Some(epoch), cursor));
        let words = &*self.words;
        let turn = words.turn.load(Acquire);
        let caught_up = turn & MISSED != 0 && end.saturating_sub(floor) <= words.marks.caught_up;
        let begins_turn = epoch != self.owner || caught_up;
        if !begins_turn && floor == self.floor {
            return;
        }
        let begins = self.floor == FREE;
        (self.owner, self.floor) = (epoch, floor);
        // Release: what the owner has read was read before. Before the turn, so that a port that sees the new turn compares with the new
        // owner's cursor.
        words.floor.store(floor, Release);
        if begins_turn {
            // Only this end begins turns, and what the port may do meanwhile, the bit, belongs to the old one.
            // A swap, because loom lets a compare-and-swap read past a plain store: see `Input::want`.
            words.turn.swap((turn | MISSED) + 1, AcqRel);
        }
        if begins {
            (words.bells.changed)();
        }
        self.announce();
    }

    /// Whether the guest waits because of the policy.
    pub(crate) fn is_held(&self) -> bool {
        // Acquire: pairs with the store in `OutputHold::begins`.
        self.words.held_since.load(Acquire) != 0 && !self.words.is_over()
    }

    /// The time at which the present hold's deadline passes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let words = &*self.words;
        let since = words.held_since.load(Acquire).checked_sub(1)?;
        if words.is_over() {
            return None;
        }
        words.base.checked_add(std::time::Duration::from_nanos(since))?.checked_add(words.deadline())
    }

    /// Ends the present hold if its deadline has passed at the time `now`.
    pub(crate) fn expire(&mut self, now: Instant) {
        // Before the look at the floor: see `miss`.
        let turn = self.words.turn.load(Acquire);
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.words.miss(turn);
            self.announce();
        }
    }

    /// Interrupts the guest if the hold is over and the guest waits for that.
    fn announce(&self) {
        let words = &*self.words;
        // Between what we have changed and our look at `wanted`; pairs with the fence in `OutputHold::want`.
        fence(SeqCst);
        // Acquire: the target is at least as new as the request.
        if words.wanted.load(Acquire) && words.is_over() && words.wanted.swap(false, AcqRel) {
            (words.bells.changed)();
            (words.bells.announce)();
        }
    }

    pub(crate) fn counts(&self) -> HoldCounts {
        let words = &*self.words;
        HoldCounts {
            holds: words.holds.load(Relaxed),
            missed: words.missed.load(Relaxed),
            unheeded: words.unheeded.load(Relaxed),
        }
    }
}

/// Whether the policy is to hold: for sessions, without the console's lock.
#[derive(Debug)]
pub(crate) struct HoldSwitch(Arc<Words>);

impl HoldSwitch {
    pub(crate) fn is_on(&self) -> bool {
        // Relaxed: see `HoldControl::set_policy`.
        self.0.on.load(Relaxed)
    }
}
