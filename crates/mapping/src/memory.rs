//! The memory that the words are in: mapped, or on the heap. With `--cfg loom` it is always on the heap, because a model's words are larger
//! than eight bytes.

#[cfg(all(feature = "std", not(loom)))]
mod mapped;
#[cfg(all(feature = "std", loom))]
mod unmapped;

use alloc::{boxed::Box, vec::Vec};
use core::ptr::NonNull;
#[cfg(feature = "std")]
use std::{io, ops::Range};

use crate::WORD;
use crate::sync::AtomicU64;

/// It is freed when this is dropped.
pub(crate) enum Memory {
    Heap(Box<[AtomicU64]>),
    #[cfg(all(feature = "std", not(loom)))]
    Mapped(mapped::Mapped),
}

impl Memory {
    /// Takes `len` bytes from the heap, rounded down to whole words. Returns `None` if there is not so much memory.
    pub(crate) fn on_heap(len: usize) -> Option<Self> {
        let count = len / WORD;
        let mut words = Vec::new();
        words.try_reserve_exact(count).ok()?;
        words.resize_with(count, zero);
        Some(Self::Heap(words.into_boxed_slice()))
    }

    /// Whole words only. The pointer is good as long as `self` is.
    #[allow(clippy::unnecessary_wraps, reason = "only mapped memory can be at no address")]
    pub(crate) fn words(&self) -> Option<NonNull<[AtomicU64]>> {
        match self {
            Self::Heap(words) => Some(NonNull::from(&**words)),
            #[cfg(all(feature = "std", not(loom)))]
            Self::Mapped(mapped) => mapped.words(),
        }
    }

    /// Takes the page faults of these bytes.
    #[cfg(feature = "std")]
    #[cfg_attr(loom, allow(unused_variables, reason = "a model has no mapped memory"))]
    pub(crate) fn populate(&self, bytes: Range<usize>) -> io::Result<()> {
        match self {
            // All have been written.
            Self::Heap(_) => Ok(()),
            #[cfg(not(loom))]
            Self::Mapped(mapped) => mapped.populate(bytes),
        }
    }
}

#[cfg(not(loom))]
fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}

#[cfg(loom)]
fn zero() -> AtomicU64 {
    AtomicU64::unused(0)
}
