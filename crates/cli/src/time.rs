//! Points in time in messages: the time, and how long ago that is, so that nobody has to compute it.

use std::time::SystemTime;

use vuart_endpoint::Timestamp;

/// The time and its age: `2026-11-28T18:00:00Z (3 min ago)`.
pub(crate) fn with_age(at: Timestamp) -> String {
    format!("{at}{}", ago(at))
}

/// The age of a time, to stand behind it: ` (3 min ago)`.
///
/// It is empty if the time is in the future: a clock was set, or a server does not tell the truth.
pub(crate) fn ago(at: Timestamp) -> String {
    age(at, SystemTime::now().into()).map_or_else(String::new, |age| format!(" ({age})"))
}

fn age(at: Timestamp, now: Timestamp) -> Option<String> {
    let seconds = now.as_millis().checked_sub(at.as_millis())? / 1000;
    Some(match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_an_age_has_the_unit_that_fits() {
        for (seconds, text) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (47 * 3600, "47 h ago"),
            (48 * 3600, "2 days ago"),
        ] {
            let at = Timestamp::from_millis(1_000_000);
            let now = Timestamp::from_millis(1_000_000 + seconds * 1000);
            assert_eq!(age(at, now).as_deref(), Some(text));
            assert_eq!(age(now, at), (seconds == 0).then(|| text.to_owned()));
        }
        assert_eq!(age(Timestamp::from_millis(u64::MAX), Timestamp::from_millis(0)), None);
        assert!(age(Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX)).is_some());
    }
}
