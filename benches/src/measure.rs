//! Things measured fairly on a noisy machine: in turn, many times, the median of each.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often each has its turn.
    rounds: usize,
    /// How long one turn is.
    pub(crate) turn: Duration,
    /// How many samples a distribution is made of, over all turns.
    samples: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self { rounds: 201, turn: Duration::from_millis(2), samples: 10_000_000 };
    pub(crate) const QUICK: Self = Self { rounds: 5, turn: Duration::from_micros(200), samples: 20_000 };

    /// For one of so many measurements that are taken together.
    pub(crate) fn part_of(self, measurements: usize) -> Self {
        Self { rounds: (3 * self.rounds).div_ceil(measurements), ..self }
    }

    /// Gives each of `candidates` its turns, by number.
    ///
    /// They take turns, and which of them is first and who comes after whom alternate too, so that a machine that becomes
    /// slower meanwhile becomes slower for all, and nobody always comes after the one that leaves the caches cold.
    pub(crate) fn alternate(self, candidates: usize, mut turn: impl FnMut(usize)) {
        for round in 0..self.rounds {
            for place in 0..candidates {
                let place = if round % 2 == 0 { place } else { candidates - 1 - place };
                turn((place + round / 2) % candidates);
            }
        }
    }

    pub(crate) fn rounds(self) -> usize {
        self.rounds
    }

    /// How many samples of a distribution are taken in one turn.
    pub(crate) fn samples_of_turn(self) -> usize {
        self.samples.div_ceil(self.rounds)
    }

    /// Whether the figures mean little.
    pub(crate) fn is_quick(self) -> bool {
        self.rounds < Self::FULL.rounds
    }

    pub(crate) fn turn(self) -> Duration {
        self.turn
    }
}

/// An operation that is measured: it is done as many times as told, and says how long that took.
///
/// It says so itself because some have to make room between the operations, which is nobody's cost.
pub(crate) type Operation<'a> = &'a mut dyn FnMut(u64) -> Duration;

/// Nanoseconds per operation, medians over the rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

impl Pair {
    pub(crate) fn ratio(self) -> f64 {
        self.ours / self.peer
    }

    /// The one whose ratio is the median.
    pub(crate) fn typical(mut pairs: Vec<Self>) -> Option<Self> {
        pairs.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        pairs.get(pairs.len() / 2).copied()
    }

    /// The same for `unit` out of each `of`.
    pub(crate) fn per(self, of: u32, unit: f64) -> Self {
        let part = unit / f64::from(of);
        Self { ours: self.ours * part, peer: self.peer * part }
    }
}

/// Measures two operations. Each closure does its operation as many times as it is told.
pub(crate) fn compare(effort: Effort, ours: &mut dyn FnMut(u64), peer: &mut dyn FnMut(u64)) -> Pair {
    let medians =
        medians(effort, &mut [&mut |count| time(|| ours(count)), &mut |count| time(|| peer(count))]);
    Pair { ours: medians[0], peer: medians[1] }
}

/// Measures any number of operations in turn: nanoseconds per operation, the median of each.
pub(crate) fn medians(effort: Effort, operations: &mut [Operation<'_>]) -> Vec<f64> {
    let counts: Vec<u64> = operations.iter_mut().map(|operation| calibrate(effort.turn, operation)).collect();
    let mut rounds = vec![Vec::with_capacity(effort.rounds); operations.len()];
    effort.alternate(operations.len(), |n| {
        let elapsed = operations[n](black_box(counts[n]));
        rounds[n].push(per_operation(elapsed, counts[n]));
    });
    rounds.into_iter().map(median).collect()
}

/// How long something takes.
pub(crate) fn time(operation: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    operation();
    begin.elapsed()
}

/// How many operations fill a turn. It warms the caches up as well.
fn calibrate(turn: Duration, operation: &mut Operation<'_>) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = operation(black_box(count));
        // What went wrong says that it took for ever.
        if elapsed.saturating_mul(2) >= turn {
            return count;
        }
        count *= 2;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a turn are far below 2^52")]
fn per_operation(elapsed: Duration, count: u64) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
