//! A limit to how fast output is written.

use std::time::{Duration, Instant};

/// A limit to how fast output is written: a token bucket. What is over the limit waits in the ring, where newer output may overwrite it.
/// It protects a disk or a log service from a guest that floods its console. The guest itself is never slower for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Bytes a second, on average.
    pub rate: u64,
    /// The most bytes at once, after a pause. 0 counts as 1.
    pub burst: u64,
}

impl Limit {
    /// A bucket of so many bytes that is full again after so long, as VMMs configure theirs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vuart_local::Limit;
    ///
    /// assert_eq!(Limit::refilled(4096, Duration::from_millis(500)), Limit { rate: 8192, burst: 4096 });
    /// ```
    pub fn refilled(bytes: u64, time: Duration) -> Self {
        let rate = (u128::from(bytes) * BILLION) / time.as_nanos().max(1);
        Self { rate: u64::try_from(rate).unwrap_or(u64::MAX), burst: bytes }
    }
}

/// How much of its bucket a writer waits for, so that it writes pieces and not bytes: what comes within this time.
const PIECE: Duration = Duration::from_millis(20);

/// The bucket of a [`Limit`].
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: Limit,
    /// Bytes that may be written, in billionths, so that nothing is lost when it is looked at often.
    tokens: u128,
    filled: Option<Instant>,
}

const BILLION: u128 = 1_000_000_000;

impl Bucket {
    pub(crate) fn new(limit: Limit) -> Self {
        let limit = Limit { burst: limit.burst.max(1), ..limit };
        Self { limit, tokens: u128::from(limit.burst) * BILLION, filled: None }
    }

    /// How many bytes may be written at the time `now`.
    pub(crate) fn allows(&mut self, now: Instant) -> usize {
        let elapsed = self.filled.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let full = u128::from(self.limit.burst) * BILLION;
        let more = elapsed.as_nanos().saturating_mul(self.limit.rate.into());
        self.tokens = self.tokens.saturating_add(more).min(full);
        usize::try_from(self.tokens / BILLION).unwrap_or(usize::MAX)
    }

    /// Notes that so many bytes were written.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(bytes as u128 * BILLION);
    }

    /// When a piece may be written, if none may at the time `now`. `None` if never.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let piece = (u128::from(self.limit.rate) * PIECE.as_nanos())
            .clamp(BILLION, u128::from(self.limit.burst) * BILLION);
        let nanos = piece.saturating_sub(self.tokens).checked_div(self.limit.rate.into())?.saturating_add(1);
        now.checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_allows_a_burst_and_then_the_rate() {
        let (mut bucket, mut now) = (Bucket::new(Limit { rate: 1000, burst: 5000 }), Instant::now());
        assert_eq!(bucket.allows(now), 5000);
        bucket.take(5000);
        assert_eq!(bucket.allows(now), 0);
        let (begin, mut written, mut pieces) = (now, 0, 0);
        while now < begin + Duration::from_secs(10) {
            now = bucket.next(now).unwrap();
            let allowed = bucket.allows(now);
            assert!(allowed > 0, "it says when");
            bucket.take(allowed);
            (written, pieces) = (written + allowed, pieces + 1);
        }
        assert!((9_900..=10_100).contains(&written), "{written}");
        assert!(pieces <= 501, "{pieces} pieces in ten seconds");
        now += Duration::from_secs(3600);
        assert_eq!(bucket.allows(now), 5000);
    }

    #[test]
    fn no_limit_is_out_of_bounds() {
        for limit in [(0, 0), (0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (1, 1)] {
            let (mut bucket, now) = (Bucket::new(Limit { rate: limit.0, burst: limit.1 }), Instant::now());
            let allowed = bucket.allows(now);
            assert!(allowed > 0);
            bucket.take(allowed);
            assert_eq!(bucket.next(now).is_none(), limit.0 == 0, "{limit:?}");
        }
    }
}
