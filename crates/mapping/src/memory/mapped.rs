//! Memory from `mmap(2)`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::Memory;
use crate::WORD;

/// A mapping. It is unmapped when this is dropped.
pub(crate) struct Mapped(MmapRaw);

impl Memory {
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        let memory = MmapRaw::from(MmapOptions::new().len(len).map_anon()?);
        if cfg!(not(miri)) {
            // With huge pages the first byte would cost two megabytes. A kernel without huge pages refuses this advice.
            let _ = memory.advise(Advice::NoHugePage);
        }
        Ok(Self::Mapped(Mapped(memory)))
    }

    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::Mapped(Mapped(MmapOptions::new().map_raw(file)?)))
    }

    pub(crate) fn of_file_read_only(file: &File) -> io::Result<Self> {
        Ok(Self::Mapped(Mapped(MmapOptions::new().map_raw_read_only(file)?)))
    }
}

impl Mapped {
    /// Whole words only. The pointer is good as long as `self` is.
    pub(super) fn words(&self) -> Option<NonNull<[AtomicU64]>> {
        let start = NonNull::new(self.0.as_mut_ptr())?;
        Some(NonNull::slice_from_raw_parts(start.cast::<AtomicU64>(), self.0.len() / WORD))
    }

    /// Takes the page faults of these bytes (`MADV_POPULATE_WRITE`).
    pub(super) fn populate(&self, bytes: Range<usize>) -> io::Result<()> {
        if cfg!(miri) {
            return Ok(());
        }
        self.0.advise_range(Advice::PopulateWrite, bytes.start, bytes.len())
    }
}
