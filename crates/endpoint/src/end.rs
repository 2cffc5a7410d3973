//! How a session ends, or does not begin: each cause is a type with a stable code.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::identity::Identity;

/// A moment, in milliseconds since 1970-01-01 00:00 UTC; shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The year 9999 ends here: later moments have no RFC 3339 form.
    const MAX: u64 = 253_402_300_799_999;

    /// The milliseconds since 1970.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment that is `millis` milliseconds after 1970-01-01 00:00 UTC. Moments after the year 9999, which have no
    /// RFC 3339 form, become the last millisecond of that year when they are displayed.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        Self(u64::try_from(millis).unwrap_or(Self::MAX))
    }
}

impl From<Timestamp> for SystemTime {
    /// Moments after the year 9999 become its last millisecond.
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.0.min(Timestamp::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.min(Self::MAX) / 1000;
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Why a session has ended. On the wire, `code` is the variant's name in kebab case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "code", rename_all = "kebab-case")
)]
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
    #[cfg_attr(feature = "serde", serde(other))]
    Unknown,
}

impl Cause {
    /// The codes of all causes, in the order of the variants.
    pub const CODES: [&'static str; 11] = [
        "evicted",
        "lagged",
        "detached",
        "kicked",
        "idle",
        "guest-hung-up",
        "disabled",
        "migrating",
        "vm-ended",
        "shut-down",
        "unknown",
    ];

    /// The stable code of this variant: its name in kebab case, as programs know it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Evicted { .. } => "evicted",
            Self::Lagged { .. } => "lagged",
            Self::Detached => "detached",
            Self::Kicked { .. } => "kicked",
            Self::Idle => "idle",
            Self::GuestHungUp => "guest-hung-up",
            Self::Disabled => "disabled",
            Self::Migrating => "migrating",
            Self::VmEnded => "vm-ended",
            Self::ShutDown => "shut-down",
            Self::Unknown => "unknown",
        }
    }

    /// The session has lost the console to somebody, or its place: what the guest has written before is not sent any more. All
    /// others end with the output up to that moment.
    pub fn is_at_once(&self) -> bool {
        matches!(self, Self::Evicted { .. } | Self::Lagged { .. } | Self::Kicked { .. })
    }
}

/// The end of a session: why, and when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[error("{} at {at}", describe(cause))]
pub struct End {
    /// Why.
    #[cfg_attr(feature = "serde", serde(flatten))]
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "code", rename_all = "kebab-case")
)]
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
    #[cfg_attr(feature = "serde", serde(other))]
    Unknown,
}

impl Refused {
    /// The codes of all reasons, in the order of the variants.
    pub const CODES: [&'static str; 5] = ["held", "forbidden", "ended", "disabled", "unknown"];

    /// The stable code of this variant: its name in kebab case, as programs know it.
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

/// The date of the day that is `days` days after 1970-01-01, in the proleptic Gregorian calendar: year, month, day.
///
/// This is Howard Hinnant's `civil_from_days` for days that are not negative. Years begin on 1 March here, so that the leap
/// day is a year's last day.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days + EPOCH;
    let era = days / DAYS_IN_400_YEARS;
    let day_of_era = days % DAYS_IN_400_YEARS;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_displays_as_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_764_336_185_999, "2025-11-28T13:23:05Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (Timestamp::MAX, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_timestamp_displays_as_humantime_would(millis in 0..=Timestamp::MAX) {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            prop_assert_eq!(
                Timestamp::from_millis(millis).to_string(),
                humantime::format_rfc3339_seconds(time).to_string()
            );
        }
    }
}
