//! When a server looks for the guest's output: woken by the guest after a pause, and by the clock while output flows.

use std::time::{Duration, Instant};

use vuart_scrollback::Scrollback;

/// How late output may come while it flows, and for how long none must have come before the guest is asked to wake us.
const TICK: Duration = Duration::from_millis(1);

/// How soon there is another look at most: whoever fills a small ring faster than that is not worth a thread that does nothing but
/// look, and his readers are told what they miss.
const SHORTEST: Duration = Duration::from_micros(20);

/// How much of the ring may fill up between two looks: one part in so many. The rest is for the time that it takes us to run.
const SHARE: u64 = 8;

/// In how many nanoseconds a guest writes a byte, as long as nothing is known of it: as fast as one comes whose bytes KVM collects.
const BYTE: u64 = 100;

/// What the last look has found, and when the next one is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The output's end at the last look, and when that was.
    seen: u64,
    looked_at: Option<Instant>,
    next: Option<Instant>,
}

impl Pace {
    /// When the next look is due, if one is to come by the clock.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is due by now; then it is begun, and is no more to come.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        self.next.take_if(|next| *next <= now).is_some()
    }

    /// The guest has woken us: what it has written since the last look, it has written just now.
    pub(crate) fn woken(&mut self) {
        self.looked_at = None;
    }

    /// Nobody reads: there are no more looks, and what comes meanwhile says nothing of the pace at the next.
    pub(crate) fn rest(&mut self) {
        self.next = None;
        self.looked_at = None;
    }

    /// There has been a look. Says whether there is to be another by the clock, because something has come since the one before.
    pub(crate) fn look(&mut self, scrollback: &Scrollback, now: Instant) -> bool {
        let end = scrollback.end();
        let found = end.saturating_sub(std::mem::replace(&mut self.seen, end));
        let elapsed = self.looked_at.replace(now).map(|before| now.saturating_duration_since(before));
        let elapsed = elapsed.unwrap_or(Duration::from_nanos(found.saturating_mul(BYTE)));
        self.next = None;
        if found > 0 {
            let room = scrollback.capacity() as u64 / SHARE;
            self.next = now.checked_add(wait(found, elapsed, room));
        }
        self.next.is_some()
    }
}

/// How long the guest takes for `room` bytes if it goes on as it did when it wrote `found` in that time; [`SHORTEST`] at least, and
/// [`TICK`] at most.
fn wait(found: u64, elapsed: Duration, room: u64) -> Duration {
    let nanos = elapsed.as_nanos().saturating_mul(room.into()) / u128::from(found.max(1));
    u64::try_from(nanos).map_or(TICK, |nanos| Duration::from_nanos(nanos).clamp(SHORTEST, TICK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_each_millisecond_while_something_comes() {
        let (mut writer, scrollback) = Scrollback::new(1 << 16).unwrap();
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert!(!pace.look(&scrollback, begin), "nothing has come yet");
        writer.push(b'a');
        assert!(pace.look(&scrollback, begin + Duration::from_secs(1)));
        let next = begin + Duration::from_secs(1) + TICK;
        assert_eq!(pace.next(), Some(next));
        assert!(!pace.take_due(begin + Duration::from_secs(1)));
        assert!(pace.take_due(next));
        assert!(!pace.look(&scrollback, next), "nothing has come in a millisecond");
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn more_often_than_an_eighth_of_the_ring_comes() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert!(!pace.look(&scrollback, now));
        // 2,048 bytes in a millisecond: an eighth of 4,096 in a quarter of one.
        for (bytes, quarters) in [(2048, 4), (512, 1), (256, 1), (128, 2)] {
            writer.extend(&vec![b'x'; bytes]);
            now += TICK / 4 * quarters;
            assert!(pace.look(&scrollback, now));
            let expected = [(2048, 1), (512, 1), (256, 2), (128, 4)];
            let (_, wait) = expected.into_iter().find(|(known, _)| *known == bytes).unwrap();
            assert_eq!(pace.next(), Some(now + TICK / 4 * wait), "{bytes} bytes");
        }
        // All at once.
        writer.extend(&[b'x'; 4096]);
        assert!(pace.look(&scrollback, now));
        assert_eq!(pace.next(), Some(now + SHORTEST));
    }

    #[test]
    fn a_pause_says_nothing_of_the_pace_after_it() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert!(!pace.look(&scrollback, begin));
        let woken = begin + Duration::from_secs(1);
        writer.push(b'a');
        pace.woken();
        assert!(pace.look(&scrollback, woken));
        assert_eq!(pace.next(), Some(woken + Duration::from_nanos(512 * BYTE)));
    }

    #[test]
    fn nobody_reads() {
        let (mut writer, scrollback) = Scrollback::new(4096).unwrap();
        let (mut pace, now) = (Pace::default(), Instant::now());
        writer.push(b'a');
        assert!(pace.look(&scrollback, now));
        pace.rest();
        assert_eq!(pace.next(), None);
        // Somebody reads again, after a while in which a byte came: it came just now, for all that is known.
        writer.push(b'b');
        let later = now + Duration::from_secs(10);
        assert!(pace.look(&scrollback, later));
        assert_eq!(pace.next(), Some(later + Duration::from_nanos(512 * BYTE)));
    }

    #[test]
    fn no_time_is_too_long_or_too_short() {
        assert_eq!(wait(1, Duration::MAX, u64::MAX), TICK);
        assert_eq!(wait(u64::MAX, Duration::from_nanos(1), 512), SHORTEST);
        assert_eq!(wait(0, Duration::ZERO, 512), SHORTEST);
    }
}
