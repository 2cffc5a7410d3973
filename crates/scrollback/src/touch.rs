//! Touching memory before the writer comes to it.
//!
//! The first access to a page takes a microsecond or two, as long as a thousand pushes. So another thread makes it, or it is made when
//! the ring is made.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use crate::{geometry::Geometry, memory::MemoryView};

/// The part of a ring's memory that this process has touched.
#[derive(Debug)]
pub(crate) struct Touched {
    /// The offset up to which the memory is known not to need a page fault.
    up_to: AtomicU64,
    /// The offset at which all of it has been touched: one lap after this process has begun.
    lap: u64,
    /// The offset at which the writer begins to overwrite, and so to fill the boot head.
    overwrites: u64,
    /// Whether the boot head has been touched, or there is none.
    head: AtomicBool,
}

impl Touched {
    pub(crate) fn new(geometry: &Geometry, end: u64) -> Self {
        let capacity = geometry.capacity as u64;
        Self {
            up_to: AtomicU64::new(end),
            lap: end.saturating_add(capacity),
            overwrites: geometry.origin.saturating_add(capacity),
            head: AtomicBool::new(geometry.head == 0),
        }
    }

    /// Whether there is nothing left to touch.
    pub(crate) fn is_complete(&self) -> bool {
        // Relaxed, here and below: if two threads touch at once, one of them does it for nothing.
        self.up_to.load(Relaxed) >= self.lap && self.head.load(Relaxed)
    }

    /// Touches the memory of the `bytes` bytes after `end`. Returns whether there is more to touch later.
    pub(crate) fn touch_ahead(
        &self,
        memory: &MemoryView,
        geometry: &Geometry,
        end: u64,
        bytes: usize,
    ) -> io::Result<bool> {
        let Self { up_to, lap, overwrites, head } = self;
        if end.saturating_add(bytes as u64) >= *overwrites && !head.load(Relaxed) {
            memory.populate(geometry.capacity..geometry.body())?;
            head.store(true, Relaxed);
        }
        let from = up_to.load(Relaxed).max(end);
        let to = end.saturating_add(bytes as u64).min(*lap);
        // In steps, so that not every byte costs a system call.
        if from < to && (to - from >= bytes as u64 / 2 || to == *lap) {
            #[expect(clippy::cast_possible_truncation, reason = "at most a lap")]
            let (run, wrapped) = geometry.runs(from, (to - from) as usize);
            memory.populate(run)?;
            memory.populate(wrapped)?;
            up_to.fetch_max(to, Relaxed);
        }
        Ok(to < *lap || !head.load(Relaxed))
    }

    /// Touches all memory.
    pub(crate) fn touch_all(&self, memory: &MemoryView, geometry: &Geometry) -> io::Result<()> {
        memory.populate(0..geometry.body())?;
        self.complete();
        Ok(())
    }

    /// Leaves the rest to the writer, or has found that all is touched.
    pub(crate) fn complete(&self) {
        self.up_to.fetch_max(self.lap, Relaxed);
        self.head.store(true, Relaxed);
    }
}
