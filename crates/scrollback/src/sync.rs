//! The atomics: `std`'s; `loom`'s when its models are built; and in unit tests those of `models::messages`, with which
//! each behaviour that the memory model allows a reader is tried. Miri knows the memory model by itself.

#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic::Ordering;

#[cfg(all(test, not(loom)))]
pub(crate) use std::sync::Arc;

#[cfg(any(not(test), all(miri, not(loom))))]
pub(crate) use std::sync::atomic::{AtomicU64, fence};

#[cfg(all(test, not(any(loom, miri))))]
pub(crate) use crate::models::messages::{AtomicU64, fence};

#[cfg(all(test, loom))]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicU64, Ordering, fence},
};

#[cfg(not(test))]
pub(crate) use {
    crate::memory::{Memory, MemoryView},
    vuart_mapping::Word,
};

#[cfg(test)]
pub(crate) use {
    self::AtomicU64 as Word,
    crate::models::memory::{Memory, MemoryView},
};
