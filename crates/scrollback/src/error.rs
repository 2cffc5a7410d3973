//! The errors of making a ring.

use thiserror::Error;

use crate::limits::{MAX_CAPACITY, MAX_START, MIN_CAPACITY};

/// A ring of the requested capacity cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// The capacity is not a power of two.
    #[error("the capacity of {capacity} bytes is not a power of two")]
    NotPowerOfTwo {
        /// The requested capacity, in bytes.
        capacity: usize,
    },
    /// The capacity is outside [`Scrollback::MIN_CAPACITY`](crate::Scrollback::MIN_CAPACITY)`..=`[`Scrollback::MAX_CAPACITY`](crate::Scrollback::MAX_CAPACITY).
    #[error("the capacity of {capacity} bytes is not within {MIN_CAPACITY}..={MAX_CAPACITY} bytes")]
    OutOfRange {
        /// The requested capacity, in bytes.
        capacity: usize,
    },
    /// There is not enough memory.
    #[error("out of memory for a ring of {bytes} bytes, including its boot head")]
    OutOfMemory {
        /// The memory that the ring needs, in bytes.
        bytes: usize,
    },
}

/// A ring with the requested options cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The capacity is refused.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// The boot head is larger than [`Scrollback::MAX_CAPACITY`](crate::Scrollback::MAX_CAPACITY).
    #[error("the boot head of {head} bytes is larger than {MAX_CAPACITY} bytes")]
    BootHead {
        /// The requested size, in bytes.
        head: usize,
    },
    /// The first offset is past [`Scrollback::MAX_START`](crate::Scrollback::MAX_START).
    #[error("the first offset {offset} is past {MAX_START}")]
    Offset {
        /// The requested offset.
        offset: u64,
    },
}
