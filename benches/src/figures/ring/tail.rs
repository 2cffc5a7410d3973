//! How long the slowest pushes take while readers copy 64 KiB every 10 µs.
//!
//! Each push is timed, so each figure includes reading the clock once, which costs as much as some ten pushes. Nothing is
//! subtracted. All samples of all turns count alike; what a thread waits for its core is among them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::super::Rows;
use super::super::register::character;
use super::copying::{CopiedQueue, CopiedRing};
use crate::measure::{Effort, Pair};
use crate::table::Row;

/// As fast as a guest can: the exit for each byte takes it about that long.
const GUEST: Duration = Duration::from_micros(1);

/// Pushes in a turn, at most: it keeps the samples of a run within some megabytes.
const MAX_SAMPLES: usize = 1 << 15;

pub(super) fn rows(effort: Effort) -> Rows {
    let mut rows = Vec::new();
    for readers in [1, 2] {
        let [ours, peer] = measure(effort, readers, GUEST)?;
        let row = |quantile: &str, of: fn(&[u32]) -> f64| {
            let figure = format!(
                "ring push of 1 byte each µs vs `Mutex<VecDeque<u8>>`, {readers} copying every 10 µs, {quantile}, ns"
            );
            Row::new(figure, Pair { ours: of(&ours), peer: of(&peer) })
        };
        rows.push(row("median", |samples| at(samples, 500)));
        rows.push(row("p99", |samples| at(samples, 990)));
        rows.push(row("p99.9", |samples| at(samples, 999)).goal(1.0 / 50.0));
        rows.push(row("longest", |samples| at(samples, 1000)));

        // Of so many pushes between two copies, fewer in a thousand meet one.
        let [ours, peer] = measure(effort, readers, Duration::ZERO)?;
        let figure = format!(
            "ring push of 1 byte without pause vs `Mutex<VecDeque<u8>>`, {readers} copying every 10 µs, p99.9, ns"
        );
        rows.push(Row::new(figure, Pair { ours: at(&ours, 999), peer: at(&peer, 999) }).goal(1.0 / 50.0));
    }
    Ok(rows)
}

/// How long each push took, ours and the queue's, in nanoseconds and in order.
fn measure(
    effort: Effort,
    readers: usize,
    pause: Duration,
) -> Result<[Vec<u32>; 2], Box<dyn std::error::Error>> {
    let (mut ring, mut queue) = (CopiedRing::new()?, CopiedQueue::new());
    let mut samples = [Vec::new(), Vec::new()];
    effort.alternate(2, |n| {
        let of_turn = match n {
            0 => ring.turn(readers, |writer| sample(effort.turn, pause, |byte| writer.push(byte))),
            _ => queue.turn(readers, |queue| sample(effort.turn, pause, |byte| queue.push_byte(byte))),
        };
        samples[n].extend(of_turn);
    });
    ring.verify()?;
    for samples in &mut samples {
        samples.sort_unstable();
    }
    Ok(samples)
}

/// Pushes for the time of a turn.
fn sample(turn: Duration, pause: Duration, mut push: impl FnMut(u8)) -> Vec<u32> {
    let mut samples = Vec::with_capacity(MAX_SAMPLES);
    let begin = Instant::now();
    let mut last = begin;
    for n in 0..MAX_SAMPLES as u64 {
        let due = last + pause;
        // Without a pause, the end of one push is the beginning of the next: the clock is read once for each.
        while last < due {
            last = Instant::now();
        }
        if last - begin >= turn {
            break;
        }
        push(black_box(character(n)));
        let now = Instant::now();
        samples.push(u32::try_from((now - last).as_nanos()).unwrap_or(u32::MAX));
        last = now;
    }
    samples
}

/// The sample that so many of a thousand are not above.
fn at(samples: &[u32], thousandths: usize) -> f64 {
    let rank = (samples.len() * thousandths).div_ceil(1000).saturating_sub(1);
    samples.get(rank).copied().map_or(f64::NAN, f64::from)
}
