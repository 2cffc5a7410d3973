//! How long a bit and a character take on the line.

use core::num::NonZeroU32;

use crate::registers::Registers;
use crate::spec::Lcr;

const NANOSECONDS: u64 = 1_000_000_000;

impl Registers {
    /// Returns how long a character takes, in nanoseconds, rounded up.
    pub(crate) fn character_time(&self) -> u64 {
        character_time(self.lcr, self.divisor, self.config.clock)
    }

    /// Returns how long a bit takes, in nanoseconds, rounded down.
    pub(crate) fn bit_time(&self) -> u64 {
        16 * divisor(self.divisor) * NANOSECONDS / clock(self.config.clock)
    }
}

/// Returns how long the slowest divisor and the longest frame make a character, in nanoseconds.
pub(crate) fn longest_character(clock: NonZeroU32) -> u64 {
    character_time(Lcr::all(), 0, clock)
}

fn character_time(lcr: Lcr, latch: u16, hertz: NonZeroU32) -> u64 {
    (half_bits(lcr) * 8 * divisor(latch) * NANOSECONDS).div_ceil(clock(hertz))
}

/// Returns the length of a frame in half bits: 14 to 24.
fn half_bits(lcr: Lcr) -> u64 {
    let data = 5 + u64::from((lcr & Lcr::WORD_LENGTH).bits());
    let parity = u64::from(lcr.contains(Lcr::PARITY));
    let stop = match (lcr.contains(Lcr::STOP), data) {
        (false, _) => 2,
        (true, 5) => 3,
        (true, _) => 4,
    };
    2 + 2 * data + 2 * parity + stop
}

/// Returns the number that divides the clock. A counter that is loaded with 0 counts through all 65,536 states (S2).
fn divisor(latch: u16) -> u64 {
    if latch == 0 { 1 << 16 } else { latch.into() }
}

fn clock(clock: NonZeroU32) -> u64 {
    // The type guarantees at least 1. The `max` repeats that for the compiler, so no division by 0 can panic.
    u64::from(clock.get()).max(1)
}
