//! When a reader looks for output: after a pause when the producer wakes it, and by the clock while output flows.

use std::time::{Duration, Instant};

use crate::Scrollback;

/// The shortest polling interval, so that a fast producer with a small ring can't keep a reader's thread busy. The readers of such a
/// producer are told what they miss.
const SHORTEST: Duration = Duration::from_micros(20);

/// The part of the ring that may fill up between two looks: one in this many. The rest is for the time until the thread runs.
const SHARE: u64 = 8;

/// The assumed time for each byte, in nanoseconds, while the producer's pace is unknown: that of a guest whose bytes KVM coalesces.
const BYTE: u64 = 100;

/// Decides when a reader looks for output by the clock, and when it is time to sleep on the doorbell.
///
/// Waking a reader costs the producer a system call, as much as a whole access from a virtual machine. So a producer wakes a reader for
/// the first byte after a pause, and the reader then looks by the clock for as long as output comes. Each [`Sleeper`](crate::Sleeper) has
/// one, which [`Sleeper::rest`](crate::Sleeper::rest) asks. Give a sleeper [another](crate::Sleeper::with_pace) if the default does not
/// fit.
#[derive(Debug, Clone)]
pub struct Pace {
    /// The longest polling interval.
    tick: Duration,
    /// The end of the output at the last look.
    seen: u64,
    /// The time of the last look. `None` when it says nothing about the producer's pace.
    looked_at: Option<Instant>,
}

impl Pace {
    /// The default [tick](Self::with_tick): a millisecond.
    pub const TICK: Duration = Duration::from_millis(1);

    /// Makes one that looks each [`TICK`](Self::TICK) while output flows.
    pub const fn new() -> Self {
        Self::with_tick(Self::TICK)
    }

    /// Makes one that looks this often while output flows: how late output may come then, and how long a pause is before the producer is
    /// asked to wake the reader. When an eighth of the ring fills up in less time, it looks as often as that, but not more than once in
    /// 20 microseconds.
    pub const fn with_tick(tick: Duration) -> Self {
        Self { tick, seen: 0, looked_at: None }
    }

    /// Begins anew: the producer has woken the reader, so its output has come just now; or nobody reads, and output that comes
    /// meanwhile says nothing about the pace.
    pub fn reset(&mut self) {
        self.looked_at = None;
    }

    /// Notes a look. Returns when to look again by the clock, or `None` if nothing has come since the last look.
    pub fn look(&mut self, scrollback: &Scrollback, now: Instant) -> Option<Instant> {
        let end = scrollback.end();
        let found = end.saturating_sub(std::mem::replace(&mut self.seen, end));
        let elapsed = self.looked_at.replace(now).map(|before| now.saturating_duration_since(before));
        let elapsed = elapsed.unwrap_or(Duration::from_nanos(found.saturating_mul(BYTE)));
        if found == 0 {
            return None;
        }
        now.checked_add(self.wait(found, elapsed, scrollback.capacity() as u64 / SHARE))
    }

    /// The end of the output at the last look.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// How long the producer takes for `room` bytes at the pace of `found` bytes in `elapsed`; at least [`SHORTEST`] and at most a tick.
    fn wait(&self, found: u64, elapsed: Duration, room: u64) -> Duration {
        let nanos = elapsed.as_nanos().saturating_mul(room.into()) / u128::from(found.max(1));
        let longest = self.tick.max(SHORTEST);
        u64::try_from(nanos).map_or(longest, |nanos| Duration::from_nanos(nanos).clamp(SHORTEST, longest))
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Pace::TICK;

    #[test]
    fn it_looks_each_millisecond_while_output_comes() {
        let (mut writer, scrollback) = Scrollback::new(1 << 16).unwrap();
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert_eq!(pace.look(&scrollback, begin), None, "nothing has come yet");
        writer.push(b'a');
        let next = begin + Duration::from_secs(1) + TICK;
        assert_eq!(pace.look(&scrollback, begin + Duration::from_secs(1)), Some(next));
        assert_eq!(pace.look(&scrollback, next), None, "nothing has come in a millisecond");
    }

    #[test]
    fn it_looks_before_an_eighth_of_the_ring_has_filled() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert_eq!(pace.look(&scrollback, now), None);
        // 2,048 bytes in a millisecond: an eighth of 4,096 in a quarter of one.
        for (bytes, quarters) in [(2048, 4), (512, 1), (256, 1), (128, 2)] {
            writer.extend(&vec![b'x'; bytes]);
            now += TICK / 4 * quarters;
            let next = pace.look(&scrollback, now);
            let expected = [(2048, 1), (512, 1), (256, 2), (128, 4)];
            let (_, wait) = expected.into_iter().find(|(known, _)| *known == bytes).unwrap();
            assert_eq!(next, Some(now + TICK / 4 * wait), "{bytes} bytes");
        }
        // All at once.
        writer.extend(&[b'x'; 4096]);
        assert_eq!(pace.look(&scrollback, now), Some(now + SHORTEST));
    }

    #[test]
    fn a_pause_says_nothing_about_the_pace_after_it() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert_eq!(pace.look(&scrollback, begin), None);
        let woken = begin + Duration::from_secs(1);
        writer.push(b'a');
        pace.reset();
        assert_eq!(pace.look(&scrollback, woken), Some(woken + Duration::from_nanos(512 * BYTE)));
    }

    #[test]
    fn a_time_without_readers_says_nothing_about_the_pace_after_it() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let (mut pace, now) = (Pace::default(), Instant::now());
        writer.push(b'a');
        assert!(pace.look(&scrollback, now).is_some());
        pace.reset();
        // A client reads again, after a while in which a byte came. It may have come just now.
        writer.push(b'b');
        let later = now + Duration::from_secs(10);
        assert_eq!(pace.look(&scrollback, later), Some(later + Duration::from_nanos(512 * BYTE)));
    }

    #[test]
    fn the_interval_stays_within_its_bounds() {
        let pace = Pace::new();
        assert_eq!(pace.wait(1, Duration::MAX, u64::MAX), TICK);
        assert_eq!(pace.wait(u64::MAX, Duration::from_nanos(1), 512), SHORTEST);
        assert_eq!(pace.wait(0, Duration::ZERO, 512), SHORTEST);
        assert_eq!(Pace::with_tick(Duration::ZERO).wait(1, Duration::MAX, u64::MAX), SHORTEST);
        assert_eq!(Pace::with_tick(Duration::MAX).wait(1, Duration::MAX, u64::MAX), Duration::MAX);
    }
}
