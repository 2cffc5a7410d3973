//! The interface of the rings and queues to which bytes are written.

use std::error::Error;
use std::time::Duration;

use crate::guest::character;

/// The size of each ring and queue that is written to, in bytes.
pub(super) const CAPACITY: usize = 64 << 10;

/// A ring or queue that takes single bytes, as they come from a guest.
pub(super) trait Sink {
    /// Writes `count` bytes one by one. Returns how long that took.
    fn push(&mut self, count: u64) -> Duration;

    /// Returns how many bytes have arrived, including those that were overwritten since. Called once, at the end.
    fn arrived(&mut self) -> Result<u64, Box<dyn Error>>;
}

/// A ring or queue that takes slices as well.
pub(super) trait SliceSink: Sink {
    /// Writes `bytes` `count` times. Returns how long that took.
    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration;
}

/// Returns bytes to write, which do not repeat within a ring.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| character(n.wrapping_mul(0x9E37_79B9) >> 8)).collect()
}
