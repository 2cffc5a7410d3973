//! An allowance: something that may be spent at once up to a limit, and that comes back with time.

use std::time::{Duration, Instant};

/// What is left of an allowance. It is counted in time: what is spent takes so long to come back.
///
/// More may be spent than is left. Then nothing is left until the debt has been paid off, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// When nothing is missing any more.
    full_at: Instant,
}

impl Allowance {
    /// An allowance of which nothing is missing.
    pub(crate) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Spends as much as comes back in `cost`.
    pub(crate) fn spend(&mut self, cost: Duration, now: Instant) {
        let from = self.full_at.max(now);
        // Too far away for an instant: nothing is forgiven, and nothing is added.
        self.full_at = from.checked_add(cost).unwrap_or(from);
    }

    /// When something is left again of an allowance of this size, or `None` if something is left now.
    pub(crate) fn spent_until(&self, size: Duration, now: Instant) -> Option<Instant> {
        let missing = self.full_at.saturating_duration_since(now);
        let debt = missing.checked_sub(size).filter(|debt| !debt.is_zero())?;
        now.checked_add(debt)
    }

    /// Whether nothing is missing.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn f27_an_allowance_is_spent_at_once_and_comes_back_with_time() {
        let begin = Instant::now();
        let mut allowance = Allowance::full(begin);
        for _ in 0..4 {
            assert_eq!(allowance.spent_until(4 * SECOND, begin), None);
            allowance.spend(SECOND, begin);
        }
        assert_eq!(allowance.spent_until(4 * SECOND, begin), None, "all of it and no more");
        allowance.spend(SECOND, begin);
        assert_eq!(allowance.spent_until(4 * SECOND, begin), Some(begin + SECOND));
        assert_eq!(allowance.spent_until(4 * SECOND, begin + SECOND), None);
        assert!(!allowance.is_full(begin + 4 * SECOND));
        assert!(allowance.is_full(begin + 5 * SECOND));
        // What came back while it was full is not saved up.
        let later = begin + 100 * SECOND;
        allowance.spend(5 * SECOND, later);
        assert_eq!(allowance.spent_until(4 * SECOND, later), Some(later + SECOND));
    }

    #[test]
    fn a_debt_without_end_is_no_panic() {
        let begin = Instant::now();
        let mut allowance = Allowance::full(begin);
        for _ in 0..4 {
            allowance.spend(Duration::MAX, begin);
            let _ = allowance.spent_until(Duration::ZERO, begin);
        }
    }
}
