//! How a session ends, or does not begin: each cause is a type with a stable code.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::identity::Identity;

/// A moment, in milliseconds since 1970-01-01 00:00 UTC; shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The year 9999 ends here: later moments have no RFC 3339 form.
    const MAX: u64 = 253_402_300_799_999;

    /// The milliseconds since 1970.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment of so many milliseconds since 1970, or the last that has an RFC 3339 form.
    pub(crate) fn time_of(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis.min(Self::MAX))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        Self(u64::try_from(millis).unwrap_or(Self::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_rfc3339_seconds(Self::time_of(self.0)))
    }
}

/// Why a session has ended. On the wire, `code` is the variant's name in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// Another session has taken the console over.
    Evicted {
        /// Who holds it now.
        by: Identity,
    },
    /// The ring has lapped the session, which had asked to be [disconnected](crate::OnLag::Disconnect) rather than to miss
    /// anything.
    Lagged {
        /// The first offset that is gone.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// The session's own holder left, or its connection was lost.
    Detached,
    /// Somebody with the right to do so has ended the session.
    Kicked {
        /// Who.
        by: Identity,
    },
    /// The owner has typed nothing for as long as the [policy](crate::Policy) allows.
    Idle,
    /// The guest has dropped DTR, and the [policy](crate::Policy) takes that for a hang-up.
    GuestHungUp,
    /// The console was [switched off](crate::Console::disable); it may be switched on again.
    Disabled,
    /// The guest goes on elsewhere: attach there.
    Migrating,
    /// The guest is over; there will be no more output.
    VmEnded,
    /// The process that serves the console is going away, the guest perhaps not.
    ShutDown,
    /// A cause that a later version has added.
    #[serde(other)]
    Unknown,
}

impl Cause {
    /// The session has lost the console to somebody, or its place: what the guest has written before is not sent any more. All
    /// others end with the output up to that moment.
    pub(crate) fn is_at_once(&self) -> bool {
        matches!(self, Self::Evicted { .. } | Self::Lagged { .. } | Self::Kicked { .. })
    }
}

/// The end of a session: why, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} at {at}", describe(cause))]
pub struct End {
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

fn describe(cause: &Cause) -> String {
    match cause {
        Cause::Evicted { by } => format!("the console was taken over by {by}"),
        Cause::Lagged { from, to } => {
            format!("the output from offset {from} to {to} was lost, and the session was to lose nothing")
        }
        Cause::Detached => "detached".to_owned(),
        Cause::Kicked { by } => format!("the session was ended by {by}"),
        Cause::Idle => "nothing was typed for too long".to_owned(),
        Cause::GuestHungUp => "the guest has hung up".to_owned(),
        Cause::Disabled => "the console was switched off".to_owned(),
        Cause::Migrating => "the guest has moved to another host".to_owned(),
        Cause::VmEnded => "the guest has ended".to_owned(),
        Cause::ShutDown => "the console's server has shut down".to_owned(),
        Cause::Unknown => "the session has ended".to_owned(),
    }
}

/// Why a session did not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refused {
    /// Somebody holds the console; take it over or spectate.
    #[error("the console is held by {holder} since {since}")]
    Held {
        /// Who holds it.
        holder: Identity,
        /// Since when.
        since: Timestamp,
    },
    /// The peer's role does not allow it.
    #[error("you may watch this console, and not own it")]
    Forbidden,
    /// The console has ended.
    #[error("{end}")]
    Ended {
        /// How.
        end: End,
    },
    /// The console is switched off, for a time perhaps.
    #[error("the console is switched off since {since}")]
    Disabled {
        /// Since when.
        since: Timestamp,
    },
    /// A reason that a later version has added.
    #[error("refused, for a reason that this version does not know")]
    #[serde(other)]
    Unknown,
}
