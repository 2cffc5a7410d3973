//! Why a session does not begin.

use crate::end::End;
use crate::identity::Identity;
use crate::timestamp::Timestamp;

/// Why a session did not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::RefusedForm", try_from = "crate::flat::RefusedForm")
)]
#[non_exhaustive]
pub enum Refused {
    /// Another session owns the console. Take it over, wait for it, or watch.
    #[error("the console is held by {holder} since {since}")]
    Held {
        /// The owner.
        holder: Identity,
        /// The time at which the owner's session began.
        since: Timestamp,
    },
    /// The peer's role does not allow this mode.
    #[error("you may watch this console, and not own it")]
    Forbidden,
    /// The console has ended.
    #[error("{end}")]
    Ended {
        /// Why and when it ended.
        end: End,
    },
    /// The console is [switched off](crate::Console::disable). It may be switched on again.
    #[error("the console is switched off since {since}")]
    Disabled {
        /// The time at which it was switched off.
        since: Timestamp,
    },
    /// A reason that a later version added.
    #[error("refused, for a reason that this version does not know")]
    Unknown,
}

impl Refused {
    /// The codes of all reasons, in the order of the variants.
    pub const CODES: [&'static str; 5] = ["held", "forbidden", "ended", "disabled", "unknown"];

    /// The stable code of this reason for programs: the variant's name in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Forbidden => "forbidden",
            Self::Ended { .. } => "ended",
            Self::Disabled { .. } => "disabled",
            Self::Unknown => "unknown",
        }
    }
}
