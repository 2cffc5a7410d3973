//! How long the slowest pushes take while readers copy 64 KiB every 10 µs.
//!
//! Each push is timed, so each figure includes one reading of the clock, which costs as much as some ten pushes. Nothing is
//! subtracted. All samples of all slots count alike. The time that a thread waits for its core is included.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::copied::{CopiedQueue, CopiedRing};
use crate::guest::character;
use crate::measure::{Effort, Pair};
use crate::table::{Row, Rows};

/// The pace of a fast guest: each byte needs an exit, which takes about that long.
const GUEST: Duration = Duration::from_micros(1);

/// The number of pushes without a pause that take about as long as one at the guest's pace.
const WITHOUT_PAUSE: u32 = 16;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = Vec::new();
    for (readers, who) in [(1, "1 thread copies"), (2, "2 threads copy")] {
        // Without a pause there are so many pushes between two copies that fewer than one in a thousand meets a copy.
        for (pace, pause, goal) in [("one per µs", Some(GUEST), 1.0 / 200.0), ("no pause", None, 1.0 / 8.0)]
        {
            let title = format!(
                "Ring write of 1 byte, {pace}, while {who} 64 KiB every 10 µs, p99.9: `vuart-scrollback` vs `Mutex<VecDeque<u8>>`, ns"
            );
            rows.push(Row::new(title, measure(effort, readers, pause)?).with_goal(goal));
        }
    }
    Ok(rows)
}

/// Measures the 99.9th percentile of the time of a push, in nanoseconds.
fn measure(effort: Effort, readers: usize, pause: Option<Duration>) -> Result<Pair, Box<dyn Error>> {
    let (mut ring, mut queue) = (CopiedRing::new()?, CopiedQueue::new());
    // A number of pushes, not a length of time: otherwise slots in which pushes wait long would have few of them.
    let guest = u32::try_from(effort.slot().as_micros())?;
    let count = if pause.is_some() { guest } else { guest * WITHOUT_PAUSE };
    let pause = pause.unwrap_or_default();
    let mut samples = [Vec::new(), Vec::new()];
    for n in effort.slots(2) {
        let of_slot = match n {
            0 => ring.while_copied(readers, |writer| sample(count, pause, |byte| writer.push(byte))),
            _ => queue.while_copied(readers, |queue| sample(count, pause, |byte| queue.push_byte(byte))),
        };
        samples[n].extend(of_slot);
    }
    ring.verify()?;
    let [ours, peer] = samples.map(percentile_99_9);
    Ok(Pair { ours, peer })
}

/// Pushes `count` times, and returns the nanoseconds of each push.
fn sample(count: u32, pause: Duration, mut push: impl FnMut(u8)) -> Vec<u32> {
    // Not zeros: their memory would be touched for the first time while the pushes are measured.
    let mut samples = vec![u32::MAX; count as usize];
    let mut last = Instant::now();
    for (n, sample) in (0..).zip(&mut samples) {
        let due = last + pause;
        // Without a pause, the end of one push is the beginning of the next: the clock is read once for each.
        while last < due {
            last = Instant::now();
        }
        push(black_box(character(n)));
        let now = Instant::now();
        *sample = u32::try_from((now - last).as_nanos()).unwrap_or(u32::MAX);
        last = now;
    }
    samples
}

/// Returns the sample that 999 of 1000 samples do not exceed.
fn percentile_99_9(mut samples: Vec<u32>) -> f64 {
    samples.sort_unstable();
    let rank = (samples.len() * 999).div_ceil(1000).saturating_sub(1);
    samples.get(rank).copied().map_or(f64::NAN, f64::from)
}
