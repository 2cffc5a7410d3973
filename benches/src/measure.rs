//! Fair measurement on a noisy machine: candidates alternate in many short slots, and each figure is a median.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long to measure: [`FULL`](Self::FULL) for results, [`QUICK`](Self::QUICK) to check that everything runs.
///
/// A measurement consists of rounds. In each round each candidate (ours, and each peer) runs for one slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// The number of rounds.
    rounds: usize,
    /// The length of one slot.
    slot: Duration,
    /// The number of samples in a distribution, over all rounds.
    samples: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self { rounds: 201, slot: Duration::from_millis(2), samples: 10_000_000 };
    pub(crate) const QUICK: Self = Self { rounds: 5, slot: Duration::from_micros(200), samples: 20_000 };

    /// Scales the number of rounds by `numerator / denominator`, rounded up.
    pub(crate) fn scaled(self, numerator: usize, denominator: usize) -> Self {
        Self { rounds: (numerator * self.rounds).div_ceil(denominator), ..self }
    }

    /// Returns the numbers of the candidates, one for each slot, in the order in which they are to run.
    ///
    /// The first place and the order alternate between rounds. So a machine that becomes slower becomes slower for all candidates,
    /// and no candidate always runs after the one that leaves the caches cold.
    pub(crate) fn slots(self, candidates: usize) -> impl Iterator<Item = usize> {
        (0..self.rounds).flat_map(move |round| {
            (0..candidates).map(move |place| {
                let place = if round % 2 == 0 { place } else { candidates - 1 - place };
                (place + round / 2) % candidates
            })
        })
    }

    pub(crate) fn rounds(self) -> usize {
        self.rounds
    }

    pub(crate) fn slot(self) -> Duration {
        self.slot
    }

    /// Returns the number of samples of a distribution to take in one slot.
    pub(crate) fn samples_per_slot(self) -> usize {
        self.samples.div_ceil(self.rounds)
    }

    /// Returns whether the measurement is too short for its figures to mean much.
    pub(crate) fn is_quick(self) -> bool {
        self.rounds < Self::FULL.rounds
    }
}

/// Two values in the same unit: ours, and the peer's (what ours is compared with).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

impl Pair {
    /// Returns ours divided by the peer's. Less is better.
    pub(crate) fn ratio(self) -> f64 {
        self.ours / self.peer
    }
}

/// An operation to measure. It repeats itself as often as it is told, and returns how long that took.
///
/// It measures itself so that it can leave out what belongs to no operation, such as emptying a full queue.
pub(crate) type Operation<'a> = &'a mut dyn FnMut(u64) -> Duration;

/// Measures two operations, and returns nanoseconds per operation. Each closure repeats its operation as often as it is told.
pub(crate) fn compare(effort: Effort, ours: &mut dyn FnMut(u64), peer: &mut dyn FnMut(u64)) -> Pair {
    let medians =
        medians(effort, &mut [&mut |count| time(|| ours(count)), &mut |count| time(|| peer(count))]);
    Pair { ours: medians[0], peer: medians[1] }
}

/// Measures any number of operations, and returns nanoseconds per operation: for each operation the median over all rounds.
pub(crate) fn medians(effort: Effort, operations: &mut [Operation<'_>]) -> Vec<f64> {
    let counts: Vec<u64> = operations.iter_mut().map(|operation| calibrate(effort.slot, operation)).collect();
    let mut slots = vec![Vec::with_capacity(effort.rounds); operations.len()];
    for n in effort.slots(operations.len()) {
        let elapsed = operations[n](black_box(counts[n]));
        slots[n].push(per_operation(elapsed, counts[n]));
    }
    slots.into_iter().map(median).collect()
}

/// Measures how long `operation` takes.
pub(crate) fn time(operation: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    operation();
    begin.elapsed()
}

/// Finds how many operations fill a slot, to within a factor of two. It also warms up the caches.
fn calibrate(slot: Duration, operation: &mut Operation<'_>) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = operation(black_box(count));
        // An operation that fails returns `Duration::MAX`, so this loop ends.
        if elapsed.saturating_mul(2) >= slot {
            return count;
        }
        count *= 2;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a slot are far below 2^52")]
fn per_operation(elapsed: Duration, count: u64) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
