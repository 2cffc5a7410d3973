//! The readers' handle.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
#[cfg(feature = "std")]
use std::{fs::File, io, ops::Range};

use crate::Page;
#[cfg(feature = "std")]
use crate::memory::Memory;
use crate::sync::AtomicU64;
use crate::words::Words;

/// A word that can only be loaded.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(AtomicU64);

impl Word {
    /// Loads the value.
    ///
    /// # Panics
    ///
    /// Panics if the ordering is not `Relaxed`. Rust promises no other load of memory that may be mapped read-only. Use a fence for
    /// the rest.
    #[inline]
    pub fn load(&self, ordering: Ordering) -> u64 {
        assert!(matches!(ordering, Ordering::Relaxed), "a word of a view is loaded with Relaxed");
        self.0.load(Ordering::Relaxed)
    }
}

/// Mapped memory that can only be read here. A clone is a handle to the same memory.
#[derive(Clone)]
pub struct View(Words);

impl View {
    pub(crate) fn new(words: Words) -> Self {
        Self(words)
    }

    /// Maps a whole file that is open for reading. Every process that maps the file shares the memory.
    ///
    /// # Errors
    ///
    /// The error of `mmap(2)`; `InvalidInput` if the file is shorter than a page.
    #[cfg(feature = "std")]
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self(Words::of_file(Memory::of_file_read_only(file)?)?))
    }

    /// The first words.
    #[inline]
    pub fn header(&self) -> &Page<Word> {
        let header = self.0.header().cast::<Page<Word>>();
        // SAFETY: as in `Mapping::header`. A `Word` is an atomic word and nothing else.
        unsafe { header.as_ref() }
    }

    /// The words after the first page.
    #[inline]
    pub fn body(&self) -> &[Word] {
        let body = self.0.body();
        let body = NonNull::slice_from_raw_parts(body.cast::<Word>(), body.len());
        // SAFETY: as in `Mapping::body`. A `Word` is an atomic word and nothing else.
        unsafe { body.as_ref() }
    }

    /// Brings these bytes of the body into memory, so that the writer takes no page fault there (`MADV_POPULATE_WRITE`). The content
    /// stays, and other threads may access it meanwhile. Bytes beyond the end do not count.
    ///
    /// # Errors
    ///
    /// The error of `madvise(2)`: `InvalidInput` before Linux 5.14, and for memory that this process maps read-only.
    #[cfg(feature = "std")]
    pub fn populate(&self, body: Range<usize>) -> io::Result<()> {
        self.0.populate(body)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("View", f)
    }
}
