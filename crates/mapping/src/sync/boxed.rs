//! Ordinary memory, for models: their words are larger than eight bytes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;

use vuart_explore::AtomicU64;

use crate::WORD;

/// Words on the heap.
pub(crate) struct Memory(Box<[AtomicU64]>);

#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "it stands in for system calls")]
impl Memory {
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        Ok(Self((0..len / WORD).map(|_| AtomicU64::unused(0)).collect()))
    }

    pub(crate) fn of_file(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn of_file_read_only(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn words(&self) -> Option<NonNull<[AtomicU64]>> {
        Some(NonNull::from(&*self.0))
    }

    /// The words are there.
    pub(crate) fn populate(&self, _: Range<usize>) -> io::Result<()> {
        Ok(())
    }
}
