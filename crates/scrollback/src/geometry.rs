//! The place of each byte in the memory.

use core::ops::Range;

use crate::{
    error::{CapacityError, OptionsError},
    limits::{MAX_CAPACITY, MAX_START, MIN_CAPACITY},
};

/// The bytes in a cell.
pub(crate) const WORD: usize = 8;

/// The largest granule, in bytes. One announcement in 4 KiB costs a push nothing measurable.
const MAX_GRANULE: usize = 4096;

/// The smallest number of granules in a ring. Bytes that are announced and not yet written cannot be read, so a granule is small beside
/// the capacity.
const MIN_GRANULES: usize = 16;

/// The sizes of a ring. The memory's body has `capacity / 8` cells, and then the cells of the boot head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// The capacity in bytes, a power of two.
    pub(crate) capacity: usize,
    /// The unit of `intent`, in bytes: a power of two, a multiple of [`WORD`].
    pub(crate) granule: usize,
    /// The bytes that are kept of each boot, a multiple of [`WORD`].
    pub(crate) head: usize,
    /// The offset of the first byte ever written here. Earlier bytes were written elsewhere, or never.
    pub(crate) origin: u64,
}

impl Geometry {
    pub(crate) fn new(capacity: usize, head: usize, origin: u64) -> Result<Self, OptionsError> {
        if !(MIN_CAPACITY..=MAX_CAPACITY).contains(&capacity) {
            return Err(CapacityError::OutOfRange { capacity }.into());
        }
        if !capacity.is_power_of_two() {
            return Err(CapacityError::NotPowerOfTwo { capacity }.into());
        }
        if head > MAX_CAPACITY {
            return Err(OptionsError::BootHead { head });
        }
        if origin > MAX_START {
            return Err(OptionsError::Offset { offset: origin });
        }
        let granule = (capacity / MIN_GRANULES).min(MAX_GRANULE);
        Ok(Self { capacity, granule, head: head.next_multiple_of(WORD), origin })
    }

    /// The cells of the boot head. A boot that begins within a cell needs one cell more.
    pub(crate) fn head_cells(&self) -> usize {
        if self.head == 0 { 0 } else { self.head / WORD + 1 }
    }

    /// The bytes of memory after the header.
    pub(crate) fn body(&self) -> usize {
        self.capacity + self.head_cells() * WORD
    }

    /// The cells of the ring.
    pub(crate) fn cells(&self) -> usize {
        self.capacity / WORD
    }

    /// The `len` bytes from `offset` on, as two runs of bytes of the body: the end of the ring cuts them in two. `len` is at most the
    /// capacity.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bits that a 32-bit usize drops are masked off anyway"
    )]
    pub(crate) fn runs(&self, offset: u64, len: usize) -> (Range<usize>, Range<usize>) {
        let first = offset as usize & (self.capacity - 1);
        let cut = len.min(self.capacity - first);
        (first..first + cut, 0..len - cut)
    }

    /// The offset before which all bytes are overwritten, or may be at any moment, once `intent` is announced.
    pub(crate) fn oldest(&self, intent: u64) -> u64 {
        intent.saturating_sub(self.capacity as u64).max(self.origin)
    }

    /// The indices of the boot head's cells for the bytes `from..to` of the boot that began at `boot`. `None` if not all of them are
    /// within the head, so that no content of the header leads out of it.
    pub(crate) fn head_run(&self, boot: u64, from: u64, to: u64) -> Option<Range<usize>> {
        let first = usize::try_from((from / WORD as u64).checked_sub(boot / WORD as u64)?).ok()?;
        let end = usize::try_from(to.div_ceil(WORD as u64).checked_sub(boot / WORD as u64)?).ok()?;
        let cells = self.cells();
        (first <= end && end <= self.head_cells()).then(|| cells + first..cells + end)
    }
}

/// The cell of the byte at `offset`, modulo the number of cells.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bits that a 32-bit usize drops are of no cell's index"
)]
pub(crate) fn cell(offset: u64) -> usize {
    (offset / WORD as u64) as usize
}

/// The place of the byte at `offset` in its cell.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "less than 8")]
pub(crate) fn lane(offset: u64) -> usize {
    (offset % WORD as u64) as usize
}
