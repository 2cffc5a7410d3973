//! The atomics of the way in: `std`'s, and `loom`'s when its models are built.

#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering, fence};

#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering, fence};
