//! The memory that the writer and the readers share: the four words of the header that change, and the cells.

#[cfg(feature = "std")]
use std::{io, ops::Range};

use vuart_mapping::{Mapping, Ring, View, Word};

use crate::{
    geometry::Geometry,
    layout,
    offsets::Offsets,
    sync::{AtomicU64, Ordering},
};

/// The writer's handle.
#[repr(C)]
pub(crate) struct Memory {
    /// The words that a push needs.
    ring: Ring,
    mapping: Mapping,
}

impl Memory {
    /// Returns `None` if the mapping is too short for the geometry.
    pub(crate) fn new(mapping: Mapping, geometry: &Geometry) -> Option<Self> {
        let ring = mapping.ring(geometry.cells())?;
        (mapping.body().len() >= geometry.cells() + geometry.head_cells()).then_some(Self { ring, mapping })
    }

    #[inline]
    pub(crate) fn tail(&self) -> &AtomicU64 {
        &self.ring.header()[layout::TAIL]
    }

    /// The ring's cell at `index`, modulo the number of cells.
    #[inline]
    pub(crate) fn cell(&self, index: usize) -> &AtomicU64 {
        self.ring.word(index)
    }

    pub(crate) fn intent(&self) -> &AtomicU64 {
        &self.mapping.header()[layout::INTENT]
    }

    pub(crate) fn boot(&self) -> &AtomicU64 {
        &self.mapping.header()[layout::BOOT]
    }

    pub(crate) fn kept(&self) -> &AtomicU64 {
        &self.mapping.header()[layout::KEPT]
    }

    /// The ring's cells, and then the boot head's.
    #[inline]
    pub(crate) fn body(&self) -> &[AtomicU64] {
        self.mapping.body()
    }

    pub(crate) fn publish(&self, offsets: Offsets) {
        // Relaxed: the magic number is stored after them.
        self.tail().store(offsets.tail, Ordering::Relaxed);
        self.intent().store(offsets.intent, Ordering::Relaxed);
        self.boot().store(offsets.boot, Ordering::Relaxed);
        self.kept().store(offsets.kept, Ordering::Relaxed);
    }

    /// Writes the words that never change. The magic number is the last.
    pub(crate) fn describe(&self, words: [u64; layout::FIXED]) {
        for (word, value) in self.mapping.header().iter().zip(words).skip(1) {
            word.store(value, Ordering::Relaxed);
        }
        // Release: a process that reads the magic number and then fences sees the rest.
        self.mapping.header()[layout::MAGIC].store(words[layout::MAGIC], Ordering::Release);
    }

    pub(crate) fn view(&self) -> MemoryView {
        MemoryView(self.mapping.view())
    }
}

/// A reader's handle. It cannot store.
#[derive(Clone)]
pub(crate) struct MemoryView(View);

impl MemoryView {
    #[cfg(feature = "std")]
    pub(crate) fn new(view: View) -> Self {
        Self(view)
    }

    #[inline]
    pub(crate) fn tail(&self) -> &Word {
        &self.0.header()[layout::TAIL]
    }

    pub(crate) fn intent(&self) -> &Word {
        &self.0.header()[layout::INTENT]
    }

    pub(crate) fn boot(&self) -> &Word {
        &self.0.header()[layout::BOOT]
    }

    pub(crate) fn kept(&self) -> &Word {
        &self.0.header()[layout::KEPT]
    }

    pub(crate) fn body(&self) -> &[Word] {
        self.0.body()
    }

    #[cfg(feature = "std")]
    pub(crate) fn populate(&self, body: Range<usize>) -> io::Result<()> {
        self.0.populate(body)
    }
}
