//! The errors of a ring in a file.

use std::io;

use rustix::io::Errno;
use thiserror::Error;
use vuart_file::OpenError;

use crate::OptionsError;

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
    /// The file is not this user's alone, holds something else than a ring, or can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file is not empty.
    #[error("the file is not empty: adopt it if it holds a ring, or choose another")]
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
