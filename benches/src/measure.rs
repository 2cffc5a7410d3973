//! Two things measured fairly on a noisy machine: in turn, many times, the median of each.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often each of the two has its turn.
    rounds: usize,
    /// How long one turn is.
    turn: Duration,
}

impl Effort {
    pub(crate) const FULL: Self = Self { rounds: 201, turn: Duration::from_millis(2) };
    pub(crate) const QUICK: Self = Self { rounds: 5, turn: Duration::from_micros(200) };
}

/// Nanoseconds per operation, medians over the rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

/// Measures two operations. Each closure does its operation as many times as it is told.
///
/// The two have their turns alternately, and which of them is first alternates too, so that a machine that becomes
/// slower meanwhile becomes slower for both.
pub(crate) fn compare(effort: Effort, ours: &mut dyn FnMut(u64), peer: &mut dyn FnMut(u64)) -> Pair {
    let (our_count, peer_count) = (calibrate(effort.turn, ours), calibrate(effort.turn, peer));
    let mut our_rounds = Vec::with_capacity(effort.rounds);
    let mut peer_rounds = Vec::with_capacity(effort.rounds);
    for round in 0..effort.rounds {
        if round % 2 == 0 {
            our_rounds.push(per_operation(ours, our_count));
            peer_rounds.push(per_operation(peer, peer_count));
        } else {
            peer_rounds.push(per_operation(peer, peer_count));
            our_rounds.push(per_operation(ours, our_count));
        }
    }
    Pair { ours: median(our_rounds), peer: median(peer_rounds) }
}

/// How many operations fill a turn. It warms the caches up as well.
fn calibrate(turn: Duration, operation: &mut dyn FnMut(u64)) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = time(operation, count);
        if elapsed * 2 >= turn {
            return count;
        }
        count *= 2;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a turn are far below 2^52")]
fn per_operation(operation: &mut dyn FnMut(u64), count: u64) -> f64 {
    time(operation, count).as_nanos() as f64 / count as f64
}

fn time(operation: &mut dyn FnMut(u64), count: u64) -> Duration {
    let begin = Instant::now();
    operation(black_box(count));
    begin.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
