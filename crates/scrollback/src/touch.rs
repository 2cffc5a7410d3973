//! Touching memory before the writer comes to it.
//!
//! The first access to a page takes a microsecond or two, as long as a thousand pushes. So another thread makes it, or it is made when
//! the ring is made.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use vuart_mapping::{PAGE, WORD};

use crate::{
    Scrollback,
    geometry::Geometry,
    memory::{Memory, MemoryView},
};

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

impl Scrollback {
    /// Touches the memory of the writer's next `bytes` bytes, so that the writer takes no page fault there. Returns whether there is more
    /// to touch later: after a lap there is not.
    ///
    /// Call it now and then on a thread that is not the writer's, such as when it is woken to read. It is cheap when nothing is to be done.
    /// [`RingOptions::with_prefault`](crate::RingOptions::with_prefault) touches all memory at once instead.
    ///
    /// # Errors
    ///
    /// The error of `madvise(2)`, which a seccomp filter has to allow. It is `InvalidInput` before Linux 5.14 and for a ring that is mapped
    /// read-only. The writer touches the pages then, and the next call does nothing.
    pub fn touch_ahead(&self, bytes: usize) -> io::Result<bool> {
        if self.touched.is_complete() {
            return Ok(false);
        }
        self.touched.touch_ahead(&self.memory, &self.geometry, self.end(), bytes).inspect_err(|error| {
            // A system that cannot is asked once.
            if error.kind() == io::ErrorKind::InvalidInput {
                self.touched.complete();
            }
        })
    }

    /// Touches all memory of a new ring, before its writer begins.
    pub(crate) fn prefault(&self, memory: &Memory) {
        if self.touched.touch_all(&self.memory, &self.geometry).is_err() {
            // Before Linux 5.14. No other thread stores yet, so nothing can come between the load and the store.
            for word in memory.body().iter().step_by(PAGE / WORD) {
                word.store(word.load(Relaxed), Relaxed);
            }
        }
    }
}
