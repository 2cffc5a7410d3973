//! What a session may do at a console, and how that changes.

use std::fmt;

use crate::identity::Identity;
use crate::timestamp::Timestamp;

/// The number of an ownership of one console. Each new ownership has the next number. Input that was typed in one ownership
/// never reaches the guest in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Epoch(u64);

impl Epoch {
    /// Makes an epoch from a number, as a peer or a file gives it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a session is at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::StandingForm", try_from = "crate::flat::StandingForm")
)]
#[non_exhaustive]
pub enum Standing {
    /// The session owns the console.
    Owner {
        /// The number of its ownership.
        epoch: Epoch,
    },
    /// The session watches.
    Spectator,
    /// The session watches, and waits in the queue to own the console.
    Waiting {
        /// The number of sessions before it in the queue. The present owner does not count.
        ahead: u64,
    },
}

/// A change of a session's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::StandingForm", try_from = "crate::flat::StandingForm")
)]
#[non_exhaustive]
pub struct Change {
    /// The present standing.
    pub standing: Standing,
    /// The eviction that made the session a spectator, if one did.
    pub evicted: Option<Eviction>,
}

/// The eviction of an owner that stays as a spectator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Eviction {
    /// The new owner.
    pub by: Identity,
    /// The time of the take-over.
    pub at: Timestamp,
}
