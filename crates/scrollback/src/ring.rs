//! The memory that the writer and the readers share.

use crate::{
    CapacityError,
    sync::{Arc, AtomicU64},
};

/// Bytes in a cell.
pub(crate) const WORD: usize = 8;

/// The largest granule, in bytes: one announcement per 4 KiB costs a push nothing that can be measured.
const MAX_GRANULE: usize = 4096;

/// The fewest granules in a ring. What is announced but not yet written cannot be read, so a granule is kept small
/// beside the capacity.
const MIN_GRANULES: usize = 16;

/// The two words that the writer publishes. Nobody else stores to them.
///
/// They have a pair of cache lines to themselves: the adjacent-line prefetcher of x86 pulls lines in pairs, and what
/// readers share in [`Ring`] (the `Arc`'s count, the cells' address) must not travel with what the writer stores.
#[repr(align(128))]
pub(crate) struct Header {
    /// The offset one past the newest byte that readers may read. It only grows.
    pub(crate) tail: AtomicU64,
    /// The offset up to which cells may be being written: `tail <= intent`, a multiple of the granule. It only grows.
    pub(crate) intent: AtomicU64,
}

/// The shared memory of one ring: the header and the cells. The rules for access are in [`crate::protocol`].
pub(crate) struct Ring {
    pub(crate) header: Header,
    /// Eight bytes a cell, in little-endian lanes: byte `o` is lane `o % 8` of cell `o / 8 % len`. The length is a
    /// power of two.
    cells: Box<[AtomicU64]>,
    /// The offset of the first byte ever written here. What is before it was written elsewhere, or never.
    pub(crate) origin: u64,
    /// The unit of `intent`, in bytes: a power of two, a multiple of [`WORD`].
    pub(crate) granule: usize,
}

impl Ring {
    /// A ring without bytes, the next of which has the offset `origin`. `capacity` is checked by the caller.
    pub(crate) fn new(capacity: usize, origin: u64) -> Result<Arc<Self>, CapacityError> {
        let granule = (capacity / MIN_GRANULES).min(MAX_GRANULE);
        Self::with_granule(capacity, granule, origin)
    }

    /// Like [`new`](Self::new), with a granule of the caller's choice: a model needs rings of a few bytes.
    pub(crate) fn with_granule(
        capacity: usize,
        granule: usize,
        origin: u64,
    ) -> Result<Arc<Self>, CapacityError> {
        debug_assert!(capacity.is_power_of_two() && granule.is_power_of_two());
        debug_assert!(WORD <= granule && granule <= capacity);
        let cells = zeroed(capacity / WORD).ok_or(CapacityError::OutOfMemory { capacity })?;
        let header = Header { tail: AtomicU64::new(origin), intent: AtomicU64::new(origin) };
        Ok(Arc::new(Self { header, cells, origin, granule }))
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.cells.len() * WORD
    }

    /// The cell that holds the byte at `offset`.
    #[inline]
    pub(crate) fn cell(&self, offset: u64) -> &AtomicU64 {
        &self.cells[self.index(offset)]
    }

    /// `count` cells from the one that holds the byte at `offset` on, as the two runs that the end of the ring cuts
    /// them into. `count` is at most the number of cells.
    pub(crate) fn runs(&self, offset: u64, count: usize) -> (&[AtomicU64], &[AtomicU64]) {
        let first = self.index(offset);
        let cut = count.min(self.cells.len() - first);
        (&self.cells[first..first + cut], &self.cells[..count - cut])
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bits that a 32-bit usize drops are masked off anyway"
    )]
    #[inline]
    fn index(&self, offset: u64) -> usize {
        (offset / WORD as u64) as usize & (self.cells.len() - 1)
    }
}

/// Where in its cell the byte at `offset` is.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "less than 8")]
pub(crate) fn lane(offset: u64) -> usize {
    (offset % WORD as u64) as usize
}

/// `count` cells of zero, straight from the allocator's zeroed memory: large ones are pages that nobody has touched.
#[cfg(not(test))]
fn zeroed(count: usize) -> Option<Box<[AtomicU64]>> {
    bytemuck::allocation::try_zeroed_slice_box(count).ok()
}

/// The atomics of a model are not plain memory, and each must be made by hand.
#[cfg(test)]
#[expect(clippy::unnecessary_wraps, reason = "it stands in for an allocation that can fail")]
fn zeroed(count: usize) -> Option<Box<[AtomicU64]>> {
    Some((0..count).map(|_| AtomicU64::new(0)).collect())
}
