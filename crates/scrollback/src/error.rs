//! Why a ring can't be made, or what a file holds can't be read.

use std::io;

use thiserror::Error;

use crate::Scrollback;

/// Why a ring of the asked capacity cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// The capacity is not a power of two.
    #[error("the capacity of {capacity} bytes is not a power of two")]
    NotPowerOfTwo {
        /// The capacity that was asked for, in bytes.
        capacity: usize,
    },
    /// The capacity is outside [`Scrollback::MIN_CAPACITY`]`..=`[`Scrollback::MAX_CAPACITY`].
    #[error(
        "the capacity of {capacity} bytes is not within {}..={} bytes",
        Scrollback::MIN_CAPACITY,
        Scrollback::MAX_CAPACITY
    )]
    OutOfRange {
        /// The capacity that was asked for, in bytes.
        capacity: usize,
    },
    /// There is not so much memory.
    #[error("out of memory for a ring of {bytes} bytes, its boot head among them")]
    OutOfMemory {
        /// What is needed, in bytes.
        bytes: usize,
    },
}

/// Why a ring with the asked options cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The capacity is refused.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// The boot head is larger than [`Scrollback::MAX_CAPACITY`].
    #[error("the boot head of {head} bytes is larger than {} bytes", Scrollback::MAX_CAPACITY)]
    BootHead {
        /// The size that was asked for, in bytes.
        head: usize,
    },
    /// The first offset is past [`Scrollback::MAX_START`].
    #[error("the first offset {offset} is past {}", Scrollback::MAX_START)]
    Offset {
        /// The offset that was asked for.
        offset: u64,
    },
}

/// Why what a file holds is not a ring of this version: see [`layout`](crate::layout).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// It does not begin with the magic number. A ring that is being made this moment does not yet.
    #[error("it is not a vuart ring")]
    NotARing,
    /// It was written by a machine of the other byte order.
    #[error("the ring was written by a machine of the other byte order: read it there")]
    ByteOrder,
    /// It was written by a later version of this crate.
    #[error(
        "the ring has layout version {version}, and this program knows version 1: read it with a newer one"
    )]
    Version {
        /// The version that it has.
        version: u64,
    },
    /// Its header claims sizes or a first offset that no ring has.
    #[error("the ring's header is damaged: {0}")]
    Sizes(#[from] OptionsError),
    /// Its boot head is not whole cells.
    #[error("the ring's header is damaged: the boot head of {head} bytes is not a multiple of 8")]
    BootHead {
        /// The size that the header claims, in bytes.
        head: u64,
    },
    /// The file is not as long as its header says.
    #[error("the ring is damaged: its header says that the file has {expected} bytes, and it has {found}")]
    Length {
        /// By the header, in bytes.
        expected: u64,
        /// The file's length, in bytes.
        found: u64,
    },
    /// No writer can have left these offsets behind.
    #[error("the ring's header is damaged: its offsets contradict each other")]
    Offsets,
}

/// Why a ring can't live in a file, or can't be read from one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// No ring can have the asked options.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// What the file holds is not a ring, or a damaged one.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The file holds something already: adopt it if it is a ring, or remove it first.
    #[error("the file is not empty: a ring in it can be adopted, anything else has to be removed first")]
    NotEmpty,
    /// A writer, of this process or another, has the ring.
    #[error(
        "another writer has the ring: it must be dropped, or its process end, before another goes on with it"
    )]
    InUse,
    /// The file is on a disk: see [`RingOptions::with_disk`](crate::RingOptions::with_disk).
    #[error(
        "the file is on a disk, whose writeback would hold the guest up: put it into memory (/dev/shm, /run, a memfd)"
    )]
    OnDisk,
    /// The operating system refuses.
    #[error("can't {doing} the ring's file: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl FileError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
