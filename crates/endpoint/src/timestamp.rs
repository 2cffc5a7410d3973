//! Points in time, for people.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, in milliseconds since 1970-01-01 00:00 UTC. It displays as RFC 3339, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last millisecond of the year 9999. Later times have no RFC 3339 form.
    const MAX: u64 = 253_402_300_799_999;

    /// The milliseconds since 1970-01-01 00:00 UTC.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Makes a timestamp from milliseconds since 1970-01-01 00:00 UTC. Times after the year 9999, which have no RFC 3339 form,
    /// display as the last second of that year.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before 1970 become 0.
    fn from(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        Self(u64::try_from(millis).unwrap_or(Self::MAX))
    }
}

impl From<Timestamp> for SystemTime {
    /// Times after the year 9999 become the last millisecond of that year.
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.0.min(Timestamp::MAX))
    }
}

// Written by hand, so that the crate needs no other crate for it. The tests compare it with humantime.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.min(Self::MAX) / 1000;
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Returns year, month and day of the date that is `days` days after 1970-01-01, in the proleptic Gregorian calendar.
///
/// This is Howard Hinnant's `civil_from_days`, for days that are not negative. Its years begin on 1 March, so that a leap day
/// is the last day of a year.
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
