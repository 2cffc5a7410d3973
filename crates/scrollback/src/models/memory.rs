//! Stands in for [`crate::memory`], with the atomics of a model, which are not plain memory.

use std::{io, ops::Range};

use crate::{
    geometry::{Geometry, WORD},
    offsets::Offsets,
    sync::{Arc, AtomicU64},
};

struct Words {
    tail: AtomicU64,
    intent: AtomicU64,
    boot: AtomicU64,
    kept: AtomicU64,
    /// Of the ring; the others are the boot head's.
    cells: usize,
    body: Vec<AtomicU64>,
}

/// Both handles: what a reader could store, [`crate::memory`] has no way to say.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Words>);

pub(crate) type MemoryView = Memory;

impl Memory {
    pub(crate) fn for_ring(geometry: &Geometry, offsets: Offsets) -> Self {
        Self(Arc::new(Words {
            tail: AtomicU64::new(offsets.tail),
            intent: AtomicU64::new(offsets.intent),
            boot: AtomicU64::new(offsets.boot),
            kept: AtomicU64::new(offsets.kept),
            cells: geometry.cells(),
            body: (0..geometry.body() / WORD).map(|_| AtomicU64::new(0)).collect(),
        }))
    }

    pub(crate) fn tail(&self) -> &AtomicU64 {
        &self.0.tail
    }

    pub(crate) fn intent(&self) -> &AtomicU64 {
        &self.0.intent
    }

    pub(crate) fn boot(&self) -> &AtomicU64 {
        &self.0.boot
    }

    pub(crate) fn kept(&self) -> &AtomicU64 {
        &self.0.kept
    }

    pub(crate) fn cell(&self, index: usize) -> &AtomicU64 {
        &self.0.body[index % self.0.cells]
    }

    pub(crate) fn body(&self) -> &[AtomicU64] {
        &self.0.body
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "it stands in for a system call")]
    pub(crate) fn populate(&self, _: Range<usize>) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn view(&self) -> Self {
        self.clone()
    }
}
