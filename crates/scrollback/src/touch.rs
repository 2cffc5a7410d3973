//! Touching the memory before the writer comes to it.
//!
//! The first access to a page costs a microsecond or two, a thousand pushes. So another thread does it, or it is done when
//! the ring is made.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use crate::{Scrollback, geometry::Geometry};

/// How much of a ring's memory this process has touched.
#[derive(Debug)]
pub(crate) struct Touched {
    /// The offset up to which the memory is known not to need a page fault.
    up_to: AtomicU64,
    /// The offset at which all of it has been touched: one lap after where this process has begun.
    lap: u64,
    /// The offset at which the writer begins to overwrite, and so to fill the boot head.
    overwrites: u64,
    /// The boot head has been touched, or is not there.
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
}

impl Scrollback {
    /// Makes sure that the writer will find the memory of its next `bytes` bytes touched, so that it takes no page fault
    /// there, and says whether there is more to touch later: after a lap there is not. For a thread that is not the writer's,
    /// now and then, such as when it is woken to read; it is cheap when there is nothing to do.
    ///
    /// [`RingOptions::with_prefault`](crate::RingOptions::with_prefault) does it once for all, and takes the memory at once.
    ///
    /// # Errors
    ///
    /// What `madvise(2)` reports (which a seccomp filter has to allow). Before Linux 5.14 and for a ring that is mapped
    /// read-only that is `InvalidInput`: the pages are touched by the writer then, and the next call does nothing.
    pub fn touch_ahead(&self, bytes: usize) -> io::Result<bool> {
        self.try_touch_ahead(bytes).inspect_err(|error| {
            // A system that can't is asked once.
            if error.kind() == io::ErrorKind::InvalidInput {
                self.touched_all();
            }
        })
    }

    fn try_touch_ahead(&self, bytes: usize) -> io::Result<bool> {
        let Touched { up_to, lap, overwrites, head } = &*self.touched;
        // Relaxed: if two threads do it at once, one of them does it for nothing.
        let done = up_to.load(Relaxed);
        if done >= *lap && head.load(Relaxed) {
            return Ok(false);
        }
        let end = self.end();
        if end.saturating_add(bytes as u64) >= *overwrites && !head.load(Relaxed) {
            self.memory.populate(self.geometry.capacity..self.geometry.body())?;
            head.store(true, Relaxed);
        }
        let from = done.max(end);
        let to = end.saturating_add(bytes as u64).min(*lap);
        // In steps, so that not every byte costs a system call.
        if from < to && (to - from >= bytes as u64 / 2 || to == *lap) {
            #[expect(clippy::cast_possible_truncation, reason = "at most a lap")]
            let (run, wrapped) = self.geometry.runs(from, (to - from) as usize);
            self.memory.populate(run)?;
            self.memory.populate(wrapped)?;
            up_to.fetch_max(to, Relaxed);
        }
        Ok(to < *lap || !head.load(Relaxed))
    }

    /// Touches all of it.
    pub(crate) fn touch_all(&self) -> io::Result<()> {
        self.memory.populate(0..self.geometry.body())?;
        self.touched_all();
        Ok(())
    }

    fn touched_all(&self) {
        self.touched.up_to.fetch_max(self.touched.lap, Relaxed);
        self.touched.head.store(true, Relaxed);
    }
}
