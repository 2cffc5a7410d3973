//! What happens to a person's input while the guest does not read: it is held up to a bound, and refused beyond it. The clock
//! is an argument.

use std::time::{Duration, Instant};

/// How much is held, in bytes: what a person may paste at once.
const HELD: usize = 1 << 20;

/// How long a pause within one paste is at most. A paste that was refused in part is refused to its end: otherwise the guest
/// could get its beginning and a later part, and take the two for one.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the user is told at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// The decision about input that can't be sent.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// How much was refused that the user has not been told of.
    refused: u64,
    /// When input was refused last.
    last: Option<Instant>,
    /// When the user is told.
    told: Option<Instant>,
}

impl Held {
    /// Whether `length` bytes of input are held, beside `queued` bytes that are held already. If not, they are counted.
    pub(super) fn takes(&mut self, length: usize, queued: usize, now: Instant) -> bool {
        let same_paste = self.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE);
        if queued.saturating_add(length) <= HELD && !same_paste {
            return true;
        }
        self.refused += length as u64;
        self.last = Some(now);
        self.told.get_or_insert(now + PATIENCE);
        false
    }

    /// When the user is to be told what was refused.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.told
    }

    /// How much was refused, if it is time to tell the user. Nothing is told twice.
    pub(super) fn refused(&mut self, now: Instant) -> Option<u64> {
        if self.told? > now { None } else { self.refused_so_far() }
    }

    /// How much was refused that the user has not been told of.
    pub(super) fn refused_so_far(&mut self) -> Option<u64> {
        self.told = None;
        Some(std::mem::take(&mut self.refused)).filter(|refused| *refused > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_a_paste_is_held_up_to_a_bound_and_refused_from_there_to_its_end() {
        let mut held = Held::default();
        let begin = Instant::now();
        assert!(held.takes(1000, HELD - 1000, begin));
        assert_eq!(held.deadline(), None);
        assert!(!held.takes(1000, HELD - 999, begin));
        // There is room again, but this is the rest of that paste.
        assert!(!held.takes(24, 0, begin + PAUSE / 2));
        let told = begin + PATIENCE;
        assert_eq!((held.refused(begin), held.deadline()), (None, Some(told)));
        assert_eq!((held.refused(told), held.deadline()), (Some(1024), None));
        assert_eq!(held.refused(told + PATIENCE), None);
        // What is typed later is taken.
        assert!(held.takes(1, HELD - 1, told));
        assert_eq!(held.refused_so_far(), None);
    }
}
