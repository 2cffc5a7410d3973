//! The writer's handle.

use std::fmt;
use std::fs::File;
use std::io;

use crate::ring::Ring;
use crate::sync::{AtomicU64, Memory};
use crate::view::View;
use crate::words::Words;
use crate::{PAGE, Page};

/// Mapped memory that can be written. A clone is a handle to the same memory.
#[derive(Clone)]
pub struct Mapping(Words);

impl Mapping {
    /// Maps memory of this process alone: a page, and `body` bytes. The kernel adds each page when it is first touched.
    ///
    /// # Errors
    ///
    /// The error of `mmap(2)`: there is not so much memory.
    pub fn anonymous(body: usize) -> io::Result<Self> {
        let len = body.checked_add(PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self(Words::new(Memory::anonymous(len)?)?))
    }

    /// Maps a whole file that is open for reading and writing. Every process that maps the file shares the memory.
    ///
    /// # Errors
    ///
    /// The error of `mmap(2)`; `InvalidInput` if the file is shorter than a page.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self(Words::new(Memory::of_file(file)?)?))
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
