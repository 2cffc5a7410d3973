//! The writer's handle.

use core::fmt;
#[cfg(feature = "std")]
use std::{fs::File, io};

use crate::memory::Memory;
use crate::ring::Ring;
use crate::sync::AtomicU64;
use crate::view::View;
use crate::words::Words;
use crate::{PAGE, Page};

/// Mapped memory that can be written. A clone is a handle to the same memory.
#[derive(Clone)]
pub struct Mapping(Words);

impl Mapping {
    /// Takes memory from the heap: a page, and `body` bytes, rounded down to whole words. All of it is written at once. Use it where
    /// there is no operating system. Where there is one, [`anonymous`](Self::anonymous) costs nothing before the memory is used.
    ///
    /// Returns `None` if there is not so much memory.
    ///
    /// ```
    /// # use std::sync::atomic::Ordering::Relaxed;
    /// # use vuart_mapping::Mapping;
    /// let mapping = Mapping::on_heap(8192).expect("memory for three pages");
    /// mapping.body()[7].store(1, Relaxed);
    /// assert_eq!(mapping.view().body()[7].load(Relaxed), 1);
    /// ```
    pub fn on_heap(body: usize) -> Option<Self> {
        let memory = Memory::on_heap(body.checked_add(PAGE)?)?;
        Words::new(memory).map(Self)
    }

    /// Maps memory of this process alone: a page, and `body` bytes. The kernel adds each page when it is first touched.
    ///
    /// # Errors
    ///
    /// The error of `mmap(2)`: there is not so much memory.
    #[cfg(feature = "std")]
    pub fn anonymous(body: usize) -> io::Result<Self> {
        let len = body.checked_add(PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let words = Words::new(Memory::anonymous(len)?);
        Ok(Self(words.ok_or(io::ErrorKind::AddrNotAvailable)?))
    }

    /// Maps a whole file that is open for reading and writing. Every process that maps the file shares the memory.
    ///
    /// # Errors
    ///
    /// The error of `mmap(2)`; `InvalidInput` if the file is shorter than a page.
    #[cfg(feature = "std")]
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self(Words::of_file(Memory::of_file(file)?)?))
    }

    /// The first words.
    #[inline]
    pub fn header(&self) -> &Page<AtomicU64> {
        // SAFETY: the header is in memory for as long as `self`, aligned as a page is, and its words are only used as atomics.
        unsafe { self.0.header().as_ref() }
    }

    /// The words after the first page.
    #[inline]
    pub fn body(&self) -> &[AtomicU64] {
        // SAFETY: the body is in memory for as long as `self`, aligned as a page is, and its words are only used as atomics.
        unsafe { self.0.body().as_ref() }
    }

    /// The first `len` words of the body as a ring. Returns `None` if `len` is no power of two, or larger than the body.
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
        Ring::new(&self.0, len)
    }

    /// The same memory, for readers.
    pub fn view(&self) -> View {
        View::new(self.0.clone())
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Mapping", f)
    }
}
