//! A session as other sessions see it.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::identity::Identity;
use crate::timestamp::Timestamp;

/// The number of a session of one console. A number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct SessionId(u64);

impl SessionId {
    /// Makes a session ID from a number, as a peer or a file gives it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The size of a terminal, in characters. A serial line does not carry it: it is for people, and for programs that ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    /// The characters in a row.
    pub columns: u16,
    /// The rows.
    pub rows: u16,
}

/// A session as other sessions see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session's number.
    pub id: SessionId,
    /// The session's identity.
    pub identity: Identity,
    /// Whether the session owns the console. If not, it watches.
    pub owner: bool,
    /// Whether the session [yields](crate::Mode::Yield): it owns the console only while nobody else wants to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub yields: bool,
    /// Whether the session waits in the queue to own the console.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub waiting: bool,
    /// The number of sessions before it in the queue, if it waits. The present owner does not count.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ahead: Option<u64>,
    /// The time at which the session began.
    pub since: Timestamp,
    /// The size of its terminal, if it has told it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub window: Option<Window>,
}
