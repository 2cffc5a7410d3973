//! Mapped memory as atomic words: what lets the ring share its memory with other processes, and forbid unsafe code itself.
//!
//! A [`Mapping`] is for the one who writes, a [`View`] for those who read; a view has no way to store. Both are a [`Page`] of
//! 64-bit words, the *header*, and the words after it, the *body*. All of them are zero at first.
//!
//! ```
//! use std::sync::atomic::Ordering::Relaxed;
//!
//! use vuart_mapping::Mapping;
//!
//! let mapping = Mapping::anonymous(8192)?;
//! let view = mapping.view();
//! mapping.body()[7].store(1, Relaxed);
//! assert_eq!(view.body()[7].load(Relaxed), 1);
//! assert_eq!(view.body().len(), 1024);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What the unsafe code rests on
//!
//! * The memory stays mapped, at its place, for as long as any handle to it: each has an `Arc` of the mapping.
//! * Nothing in this process reaches it but through atomics of 64 bits, aligned.
//! * What other processes do to the memory of a file is what atomics are for as far as they use them, and beyond the
//!   language otherwise: a store of theirs can change a word at any time, and makes a word of any value, which is a valid
//!   word. Whoever reads must not trust the values.
//! * A file that somebody truncates takes its pages away, and an access then ends the process with SIGBUS. That is not
//!   undefined, but not nice either; a `memfd` can be sealed against it.

#![forbid(clippy::multiple_unsafe_ops_per_block)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("Rust promises loads of 64 bits from read-only memory on 64-bit machines only");

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Bytes in a word.
pub const WORD: usize = size_of::<AtomicU64>();

/// Bytes in a [`Page`], whatever the machine's pages are.
pub const PAGE: usize = 4096;

/// The first words of a mapping.
pub type Page<W> = [W; PAGE / WORD];

/// A word that can only be loaded.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(AtomicU64);

impl Word {
    /// The value at this moment.
    ///
    /// # Panics
    ///
    /// If the ordering is not `Relaxed`. Of memory that may be mapped read-only, Rust promises no other load. A fence does
    /// for the rest.
    #[inline]
    pub fn load(&self, ordering: Ordering) -> u64 {
        assert!(matches!(ordering, Ordering::Relaxed), "a word of a view is loaded with Relaxed");
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the words are. A copy of it in each handle saves the hot path a hop.
#[derive(Clone)]
struct Words {
    /// The header is the page before it: a pointer of its own would be one more thing to load in the hot path.
    body: NonNull<[AtomicU64]>,
    memory: Arc<MmapRaw>,
}

// SAFETY: the pointer is to atomics, which any thread may use, in memory that `memory` keeps, which is Send and Sync.
unsafe impl Send for Words {}
// SAFETY: as for Send.
unsafe impl Sync for Words {}

impl Words {
    fn new(memory: MmapRaw) -> io::Result<Self> {
        let words = memory.len() / WORD;
        if words < PAGE / WORD {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a mapping is a page long at least"));
        }
        let start = NonNull::new(memory.as_mut_ptr()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let header = start.cast::<Page<AtomicU64>>();
        // SAFETY: the mapping has a page at least, so the end of the first one is within it or one past it.
        let after = unsafe { header.add(1) };
        let body = NonNull::slice_from_raw_parts(after.cast::<AtomicU64>(), words - PAGE / WORD);
        Ok(Self { body, memory: Arc::new(memory) })
    }

    #[inline]
    fn header(&self) -> NonNull<Page<AtomicU64>> {
        // SAFETY: `new` has found the body a page after the beginning of the mapping.
        unsafe { self.body.cast::<Page<AtomicU64>>().sub(1) }
    }

    fn populate(&self, body: Range<usize>) -> io::Result<()> {
        let end = body.end.min(self.body.len() * WORD);
        if cfg!(miri) || body.start >= end {
            return Ok(());
        }
        self.memory.advise_range(Advice::PopulateWrite, PAGE + body.start, end - body.start)
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("len", &self.memory.len()).finish_non_exhaustive()
    }
}

/// Mapped memory that can be written. A clone is a handle to the same memory.
#[derive(Clone)]
pub struct Mapping(Words);

impl Mapping {
    /// Memory of this process alone: a page, and `body` bytes. No page of it is there before it is touched.
    ///
    /// # Errors
    ///
    /// What `mmap(2)` reports: there is not so much memory.
    pub fn anonymous(body: usize) -> io::Result<Self> {
        let len = body.checked_add(PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let memory = MmapRaw::from(MmapOptions::new().len(len).map_anon()?);
        if cfg!(not(miri)) {
            // Where huge pages are given to everybody, the first byte would cost two megabytes. A kernel without them says
            // that it knows no such advice.
            let _ = memory.advise(Advice::NoHugePage);
        }
        Ok(Self(Words::new(memory)?))
    }

    /// The whole of a file that is open for reading and writing, shared with everybody else who maps it.
    ///
    /// # Errors
    ///
    /// What `mmap(2)` reports, and `InvalidInput` if the file is shorter than a page.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self(Words::new(MmapOptions::new().map_raw(file)?)?))
    }

    /// The first words.
    #[inline]
    pub fn header(&self) -> &Page<AtomicU64> {
        // SAFETY: the header is mapped for as long as `self`, aligned as a page is, and its words are only used as atomics.
        unsafe { self.0.header().as_ref() }
    }

    /// The words after the first page.
    #[inline]
    pub fn body(&self) -> &[AtomicU64] {
        // SAFETY: `body` is mapped for as long as `self`, aligned as a page is, and its words are only used as atomics.
        unsafe { self.0.body.as_ref() }
    }

    /// The first words of the body as a ring of `len`; `None` if that is no power of two, or more than there are.
    ///
    /// ```
    /// # use std::sync::atomic::Ordering::Relaxed;
    /// # use vuart_mapping::Mapping;
    /// let mapping = Mapping::anonymous(8192)?;
    /// let ring = mapping.ring(8).expect("1024 words are there");
    /// ring.word(13).store(1, Relaxed);
    /// assert_eq!(mapping.body()[5].load(Relaxed), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ring(&self, len: usize) -> Option<Ring> {
        (len.is_power_of_two() && len <= self.0.body.len())
            .then(|| Ring { words: self.0.clone(), mask: len - 1 })
    }

    /// The same memory, for those who only read.
    pub fn view(&self) -> View {
        View(self.0.clone())
    }
}

/// A mapping's words as a ring: an index beyond the last word begins anew, so there is no bound to be checked.
pub struct Ring {
    words: Words,
    /// One less than the number of words, which is a power of two and at most that of the body.
    mask: usize,
}

impl Ring {
    /// The word at `index`, modulo their number.
    #[inline]
    pub fn word(&self, index: usize) -> &AtomicU64 {
        let start = self.words.body.cast::<AtomicU64>();
        // SAFETY: `mask` is less than the length of the body.
        let word = unsafe { start.add(index & self.mask) };
        // SAFETY: the body is mapped for as long as `self`, aligned as a page is, and its words are only used as atomics.
        unsafe { word.as_ref() }
    }

    /// The first words of the mapping.
    #[inline]
    pub fn header(&self) -> &Page<AtomicU64> {
        // SAFETY: as in `Mapping::header`.
        unsafe { self.words.header().as_ref() }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.fmt("Ring", f)
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Mapping", f)
    }
}

/// Mapped memory that can only be read here. A clone is a handle to the same memory.
#[derive(Clone)]
pub struct View(Words);

impl View {
    /// The whole of a file that is open for reading, shared with everybody else who maps it.
    ///
    /// # Errors
    ///
    /// What `mmap(2)` reports, and `InvalidInput` if the file is shorter than a page.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self(Words::new(MmapOptions::new().map_raw_read_only(file)?)?))
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
        let body = NonNull::slice_from_raw_parts(self.0.body.cast::<Word>(), self.0.body.len());
        // SAFETY: as in `Mapping::body`. A `Word` is an atomic word and nothing else.
        unsafe { body.as_ref() }
    }

    /// Makes sure that these bytes of the body are in memory, so that whoever writes them takes no page fault. Their
    /// content stays, and others may access it meanwhile (`MADV_POPULATE_WRITE`). What is beyond the end does not count.
    ///
    /// # Errors
    ///
    /// What `madvise(2)` reports: `InvalidInput` before Linux 5.14 and for memory that this process maps read-only.
    pub fn populate(&self, body: Range<usize>) -> io::Result<()> {
        self.0.populate(body)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("View", f)
    }
}
