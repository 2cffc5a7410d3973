//! The sizes and offsets that a ring can have.

/// The smallest capacity, in bytes.
pub(crate) const MIN_CAPACITY: usize = 4 << 10;
/// The largest capacity, in bytes.
pub(crate) const MAX_CAPACITY: usize = 1 << 30;
/// The largest first offset.
pub(crate) const MAX_START: u64 = 1 << 63;
