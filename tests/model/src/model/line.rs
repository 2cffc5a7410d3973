//! The times on the line: the baud generator (8.3) and the frame (8.1).

use super::Model;
use crate::register::{LCR_PARITY, LCR_STOP, LCR_WORD_LENGTH};

/// The baud generator gives 16 clocks per bit.
const CLOCKS_PER_HALF_BIT: u64 = 8;
const NANOSECONDS: u64 = 1_000_000_000;

impl Model {
    /// Returns the divisor. A counter that is loaded with 0 counts through all 65536 states.
    fn divisor(&self) -> u64 {
        match u64::from(self.divisor_high) * 256 + u64::from(self.divisor_low) {
            0 => 65536,
            divisor => divisor,
        }
    }

    /// Returns the length of a frame: a start bit, five to eight data bits, a parity bit if enabled, and one, one and a half
    /// or two stop bits.
    fn half_bits(&self) -> u64 {
        let word_length = 5 + u64::from(self.lcr & LCR_WORD_LENGTH);
        let parity = if self.lcr & LCR_PARITY != 0 { 2 } else { 0 };
        let stop = match (self.lcr & LCR_STOP != 0, word_length) {
            (false, _) => 2,
            (true, 5) => 3,
            (true, _) => 4,
        };
        2 + 2 * word_length + parity + stop
    }

    /// Returns the time of a character in nanoseconds. It is rounded up, because no character is faster than its line.
    pub(super) fn character_time(&self) -> u64 {
        let clocks = self.half_bits() * CLOCKS_PER_HALF_BIT * self.divisor();
        (clocks * NANOSECONDS).div_ceil(u64::from(self.setup.clock_hz.get()))
    }

    /// Returns the time of a bit in nanoseconds. It is rounded down, because it is subtracted from a character's time.
    pub(super) fn bit_time(&self) -> u64 {
        let clocks = 2 * CLOCKS_PER_HALF_BIT * self.divisor();
        clocks * NANOSECONDS / u64::from(self.setup.clock_hz.get())
    }
}
