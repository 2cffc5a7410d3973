//! The errors of making a ring, and of reading one from a file.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

use crate::limits::{MAX_CAPACITY, MAX_START, MIN_CAPACITY};

/// A ring of the requested capacity cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// The capacity is not a power of two.
    #[error("the capacity of {capacity} bytes is not a power of two")]
    NotPowerOfTwo {
        /// The requested capacity, in bytes.
        capacity: usize,
    },
    /// The capacity is outside [`Scrollback::MIN_CAPACITY`](crate::Scrollback::MIN_CAPACITY)`..=`[`Scrollback::MAX_CAPACITY`](crate::Scrollback::MAX_CAPACITY).
    #[error("the capacity of {capacity} bytes is not within {MIN_CAPACITY}..={MAX_CAPACITY} bytes")]
    OutOfRange {
        /// The requested capacity, in bytes.
        capacity: usize,
    },
    /// There is not enough memory.
    #[error("out of memory for a ring of {bytes} bytes, including its boot head")]
    OutOfMemory {
        /// The memory that the ring needs, in bytes.
        bytes: usize,
    },
}

/// A ring with the requested options cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The capacity is refused.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// The boot head is larger than [`Scrollback::MAX_CAPACITY`](crate::Scrollback::MAX_CAPACITY).
    #[error("the boot head of {head} bytes is larger than {MAX_CAPACITY} bytes")]
    BootHead {
        /// The requested size, in bytes.
        head: usize,
    },
    /// The first offset is past [`Scrollback::MAX_START`](crate::Scrollback::MAX_START).
    #[error("the first offset {offset} is past {MAX_START}")]
    Offset {
        /// The requested offset.
        offset: u64,
    },
}

/// A file does not hold a ring of this version: see [`layout`](crate::layout).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file does not begin with the magic number. While a ring is being made, its file does not begin with it yet.
    #[error("it is not a vuart ring")]
    NotARing,
    /// A machine of the other byte order wrote the ring.
    #[error("the ring was written by a machine of the other byte order: read it there")]
    ByteOrder,
    /// A later version of this crate wrote the ring.
    #[error(
        "the ring has layout version {version}, and this program knows version 1: read it with a newer one"
    )]
    Version {
        /// The ring's version.
        version: u64,
    },
    /// The header claims sizes or a first offset that no ring has.
    #[error("the ring's header is damaged: {0}")]
    Sizes(#[from] OptionsError),
    /// The boot head is not a whole number of cells.
    #[error("the ring's header is damaged: the boot head of {head} bytes is not a multiple of 8")]
    BootHead {
        /// The size by the header, in bytes.
        head: u64,
    },
    /// The file's length is not the one by its header.
    #[error("the ring is damaged: its header says that the file has {expected} bytes, and it has {found}")]
    Length {
        /// The length by the header, in bytes.
        expected: u64,
        /// The file's length, in bytes.
        found: u64,
    },
    /// No writer leaves such offsets behind.
    #[error("the ring's header is damaged: its offsets contradict each other")]
    Offsets,
}

/// A ring cannot live in a file, or cannot be read from it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// No ring can have the requested options.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The file holds no ring, or a damaged one.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The file is not empty.
    #[error("the file is not empty: adopt it if it holds a ring, or remove it first")]
    NotEmpty,
    /// A writer of this process or of another has the ring.
    #[error("another writer has the ring: drop that writer or end its process first")]
    InUse,
    /// The file is on a disk: see [`RingOptions::with_disk`](crate::RingOptions::with_disk).
    #[error(
        "the file is on a disk, and writing it back would delay the guest: put it into memory (/dev/shm, /run, a memfd)"
    )]
    OnDisk,
    /// The operating system has refused an operation.
    #[error("can't {doing} the ring's file: {source}{}", advice(source))]
    Io {
        /// The operation.
        doing: &'static str,
        /// The underlying error.
        source: io::Error,
    },
}

/// What to do about an error of the operating system.
fn advice(source: &io::Error) -> &'static str {
    match Errno::from_io_error(source) {
        // Of a file that is open for reading only, and of a sealed memfd.
        Some(Errno::BADF | Errno::PERM | Errno::ACCESS) => {
            "; a writer needs a file that is open for reading and writing, and not sealed against writing"
        }
        _ => "",
    }
}

impl FileError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
