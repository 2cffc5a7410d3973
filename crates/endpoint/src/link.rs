//! What a session's handle and the console's state both hold of a session.

use std::sync::OnceLock;

use crate::end::End;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// The link between a session's handle and its row in the [table](crate::state). The handle reads it without the console's
/// lock.
#[derive(Debug, Default)]
pub(crate) struct Link {
    end: OnceLock<(End, u64)>,
    /// Grows when the session's standing changes, or the number of sessions ahead of it in the queue.
    changes: AtomicU64,
    /// Bytes of output that the session has read. Only the handle stores to it.
    read: AtomicU64,
    /// Bytes of output that the session has missed. Only the handle stores to it.
    missed: AtomicU64,
    /// Bytes of output that it has skipped, because they were lost before it began. Only the handle stores to it.
    lost_before: AtomicU64,
}

/// How far a session has come in the output, in bytes: what it has read, what it was too slow for, and what was lost before it
/// began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) read: u64,
    pub(crate) missed: u64,
    pub(crate) lost_before: u64,
}

impl Link {
    /// Tells the session that its standing, or its place in the queue, has changed.
    pub(crate) fn tell(&self) {
        // Release: a session that sees the new number finds the change in the table.
        self.changes.fetch_add(1, Release);
    }

    pub(crate) fn changes(&self) -> u64 {
        // Acquire: pairs with the release above, so the table is at least as new as the number.
        self.changes.load(Acquire)
    }

    /// Tells the session that it has ended, and at which offset of the output. Only the first call counts.
    pub(crate) fn close(&self, end: End, offset: u64) {
        let _ = self.end.set((end, offset));
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get().map(|(end, _)| end)
    }

    pub(crate) fn end_offset(&self) -> Option<u64> {
        self.end.get().map(|(_, offset)| *offset)
    }

    pub(crate) fn add_read(&self, bytes: u64) {
        add(&self.read, bytes);
    }

    pub(crate) fn add_missed(&self, bytes: u64) {
        add(&self.missed, bytes);
    }

    pub(crate) fn add_lost_before(&self, bytes: u64) {
        add(&self.lost_before, bytes);
    }

    /// How far the session has come.
    pub(crate) fn progress(&self) -> Progress {
        // Relaxed: counts, which order nothing else.
        Progress {
            read: self.read.load(Relaxed),
            missed: self.missed.load(Relaxed),
            lost_before: self.lost_before.load(Relaxed),
        }
    }
}

/// Adds to a count that only one thread stores to, so that a load and a store are enough.
fn add(count: &AtomicU64, bytes: u64) {
    // Relaxed: the count orders nothing else.
    count.store(count.load(Relaxed).saturating_add(bytes), Relaxed);
}
