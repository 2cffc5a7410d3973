//! The words of a mapping, by pointer: what the writer's handles and the readers' share.

use alloc::sync::Arc;
use core::fmt;
use core::ptr::NonNull;
#[cfg(feature = "std")]
use std::{io, ops::Range};

use crate::memory::Memory;
use crate::sync::AtomicU64;
use crate::{HEADER, PAGE, Page, WORD};

/// The place of the words. Each handle has a copy, which saves the hot path a hop.
#[derive(Clone)]
pub(crate) struct Words {
    /// The header is the page before the body. A pointer of its own would be one more load in the hot path.
    body: NonNull<[AtomicU64]>,
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "it keeps the words where they are"))]
    memory: Arc<Memory>,
}

// SAFETY: the pointer is to atomics, which any thread may use, in memory that `memory` keeps, which is Send and Sync.
unsafe impl Send for Words {}
// SAFETY: as for Send.
unsafe impl Sync for Words {}

impl Words {
    /// Returns `None` if the memory is shorter than a page.
    pub(crate) fn new(memory: Memory) -> Option<Self> {
        let memory = Arc::new(memory);
        let words = memory.words()?;
        let len = words.len().checked_sub(HEADER)?;
        // SAFETY: there are `HEADER` words at least, so the end of the first ones is within the memory or one past it.
        let body = unsafe { words.cast::<AtomicU64>().add(HEADER) };
        Some(Self { body: NonNull::slice_from_raw_parts(body, len), memory })
    }

    /// The same for a file, which can have any length.
    #[cfg(feature = "std")]
    pub(crate) fn of_file(memory: Memory) -> io::Result<Self> {
        let too_short = || io::Error::new(io::ErrorKind::InvalidInput, "a mapping is a page long at least");
        Self::new(memory).ok_or_else(too_short)
    }

    /// The first words. The pointer is good as long as `self` is.
    #[inline]
    pub(crate) fn header(&self) -> NonNull<Page<AtomicU64>> {
        // SAFETY: `new` has put the body a page after the beginning of the memory.
        unsafe { self.body.cast::<Page<AtomicU64>>().sub(1) }
    }

    /// The words after the first page. The pointer is good as long as `self` is.
    #[inline]
    pub(crate) fn body(&self) -> NonNull<[AtomicU64]> {
        self.body
    }

    #[cfg(feature = "std")]
    pub(crate) fn populate(&self, body: Range<usize>) -> io::Result<()> {
        let end = body.end.min(self.body.len() * WORD);
        if body.start >= end {
            return Ok(());
        }
        self.memory.populate(PAGE + body.start..PAGE + end)
    }

    pub(crate) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("len", &(PAGE + self.body.len() * WORD)).finish_non_exhaustive()
    }
}
