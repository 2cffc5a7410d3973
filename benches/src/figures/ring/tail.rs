//! How long the slowest pushes take while readers copy 64 KiB every 10 µs.
//!
//! Each push is timed, so each figure includes reading the clock once, which costs as much as some ten pushes. Nothing is
//! subtracted. All samples of all turns count alike; what a thread waits for its core is among them.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::super::Rows;
use super::super::register::character;
use super::copying::{CopiedQueue, CopiedRing};
use crate::measure::{Effort, Pair};
use crate::table::Row;

/// As fast as a guest can: the exit for each byte takes it about that long.
const GUEST: Duration = Duration::from_micros(1);

/// How many of them are worth the time of one that is a guest's.
const WITHOUT_PAUSE: u32 = 16;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = Vec::new();
    for readers in [1, 2] {
        let [ours, peer] = measure(effort, readers, Some(GUEST))?;
        let row = |quantile: &str, of: fn(&[u32]) -> f64| {
            let figure = format!(
                "ring push of 1 byte each µs vs `Mutex<VecDeque<u8>>`, {readers} copying every 10 µs, {quantile}, ns"
            );
            Row::new(figure, Pair { ours: of(&ours), peer: of(&peer) })
        };
        rows.push(row("median", |samples| at(samples, 500)));
        rows.push(row("p99.9", |samples| at(samples, 999)).goal(1.0 / 200.0));

        // Of so many pushes between two copies, fewer in a thousand meet one.
        let [ours, peer] = measure(effort, readers, None)?;
        let figure = format!(
            "ring push of 1 byte without pause vs `Mutex<VecDeque<u8>>`, {readers} copying every 10 µs, p99.9, ns"
        );
        rows.push(Row::new(figure, Pair { ours: at(&ours, 999), peer: at(&peer, 999) }).goal(1.0 / 8.0));
    }
    Ok(rows)
}

/// How long each push took, ours and the queue's, in nanoseconds and in order.
fn measure(effort: Effort, readers: usize, pause: Option<Duration>) -> Result<[Vec<u32>; 2], Box<dyn Error>> {
    let (mut ring, mut queue) = (CopiedRing::new()?, CopiedQueue::new());
    // By number, not by time, which would leave most pushes out of the turns in which some wait long.
    let guest = u32::try_from(effort.turn.as_micros())?;
    let count = if pause.is_some() { guest } else { guest * WITHOUT_PAUSE };
    let pause = pause.unwrap_or_default();
    let mut samples = [Vec::new(), Vec::new()];
    effort.alternate(2, |n| {
        let of_turn = match n {
            0 => ring.turn(readers, |writer| sample(count, pause, |byte| writer.push(byte))),
            _ => queue.turn(readers, |queue| sample(count, pause, |byte| queue.push_byte(byte))),
        };
        samples[n].extend(of_turn);
    });
    ring.verify()?;
    for samples in &mut samples {
        samples.sort_unstable();
    }
    Ok(samples)
}

/// Pushes so many times, and says how long each push took.
fn sample(count: u32, pause: Duration, mut push: impl FnMut(u8)) -> Vec<u32> {
    // Not zeros, which would be memory that is touched for the first time while it is measured.
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

/// The sample that so many of a thousand are not above.
fn at(samples: &[u32], thousandths: usize) -> f64 {
    let rank = (samples.len() * thousandths).div_ceil(1000).saturating_sub(1);
    samples.get(rank).copied().map_or(f64::NAN, f64::from)
}
