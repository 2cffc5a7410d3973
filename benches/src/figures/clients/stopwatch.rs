//! The time of each of many writes.

use std::error::Error;
use std::hint::black_box;

use hdrhistogram::Histogram;
use quanta::Clock;
use vuart::uart::spec::offset;

use crate::devices::Port;
use crate::guest::character;
use crate::table::Distribution;

/// How fast a guest writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// One byte, then nothing until a microsecond has passed.
    EachMicrosecond,
    /// [`BURST`] bytes without a pause, timed together, again and again.
    Bursts,
}

/// The size of the transmitter's FIFO.
const BURST: u64 = 16;

/// The processor's counter, and what its ticks are worth.
pub(super) struct Stopwatch(Clock);

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self(Clock::new())
    }

    /// Makes an empty set of times.
    pub(super) fn times(&self) -> Result<Times<'_>, Box<dyn Error>> {
        /// The longest time that is kept, in ticks: some minutes.
        const LONGEST: u64 = 1 << 40;
        /// The number of significant decimal digits.
        const PRECISION: u8 = 3;
        let ticks = Histogram::new_with_bounds(1, LONGEST, PRECISION)?;
        Ok(Times { clock: &self.0, tick: self.tick(), ticks, written: 0 })
    }

    /// Returns the length of a tick in nanoseconds.
    #[expect(clippy::cast_precision_loss, reason = "few enough")]
    fn tick(&self) -> f64 {
        const MANY: u64 = 1 << 30;
        self.0.delta_as_nanos(0, MANY) as f64 / MANY as f64
    }
}

/// The times of all samples, each of a write or of a burst.
pub(super) struct Times<'a> {
    clock: &'a Clock,
    /// The length of a tick in nanoseconds.
    tick: f64,
    ticks: Histogram<u64>,
    written: u64,
}

impl Times<'_> {
    /// Lets the guest write to THR, and takes `count` samples.
    pub(super) fn take(&mut self, pace: Pace, count: usize, port: &mut Port) {
        match pace {
            Pace::EachMicrosecond => self.take_paced::<1>(self.microsecond(), count, port),
            Pace::Bursts => self.take_paced::<BURST>(0, count, port),
        }
    }

    fn take_paced<const WRITES: u64>(&mut self, period: u64, count: usize, port: &mut Port) {
        let mut due = self.clock.raw();
        for _ in 0..count {
            let mut begin = self.clock.raw();
            while begin < due {
                begin = self.clock.raw();
            }
            for n in 0..WRITES {
                port.write_register(black_box(offset::THR), black_box(character(n)));
            }
            let end = self.clock.raw();
            // A guest that is late does not catch up.
            due = begin + period;
            self.ticks.saturating_record(end.saturating_sub(begin));
        }
        self.written += count as u64 * WRITES;
    }

    /// Returns the number of ticks in a microsecond.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    fn microsecond(&self) -> u64 {
        (1000.0 / self.tick) as u64
    }

    /// Returns the number of bytes that the guest has written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the time that this part of the samples (0 to 1) does not exceed, in nanoseconds.
    #[expect(clippy::cast_precision_loss, reason = "few enough")]
    pub(super) fn at(&self, quantile: f64) -> f64 {
        self.ticks.value_at_quantile(quantile) as f64 * self.tick
    }

    /// Returns what is saved of the samples.
    pub(super) fn distribution(&self) -> Distribution {
        const QUANTILES: [f64; 12] =
            [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0];
        Distribution::new(self.ticks.len(), QUANTILES.map(|quantile| (quantile, self.at(quantile))).to_vec())
    }
}
