//! What can be wrong with the parameters of a ring.

use thiserror::Error;

use crate::Scrollback;

/// Why a ring of the asked capacity cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// The capacity is not a power of two.
    #[error("the capacity of {capacity} bytes is not a power of two")]
    NotPowerOfTwo {
        /// The capacity that was asked for, in bytes.
        capacity: usize,
    },
    /// The capacity is outside [`Scrollback::MIN_CAPACITY`]`..=`[`Scrollback::MAX_CAPACITY`].
    #[error(
        "the capacity of {capacity} bytes is not within {}..={} bytes",
        Scrollback::MIN_CAPACITY,
        Scrollback::MAX_CAPACITY
    )]
    OutOfRange {
        /// The capacity that was asked for, in bytes.
        capacity: usize,
    },
    /// The memory could not be allocated.
    #[error("out of memory for a capacity of {capacity} bytes")]
    OutOfMemory {
        /// The capacity that was asked for, in bytes.
        capacity: usize,
    },
}

/// Why a ring that starts at the asked offset cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The capacity is refused.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// The first offset is past [`Scrollback::MAX_START`].
    #[error("the first offset {offset} is past {}", Scrollback::MAX_START)]
    Offset {
        /// The offset that was asked for.
        offset: u64,
    },
}
