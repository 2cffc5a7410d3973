//! The flag that makes a wake-up coalesced and never lost.

use crate::sync::{AtomicBool, Ordering, fence};

/// Whether somebody is about to sleep, or sleeps, and wants to be woken.
///
/// The argument that no wake-up is lost is in the docs of [`Doorbell`](crate::Doorbell). It needs both fences to be
/// sequentially consistent. With anything weaker both sides may look too early: even on x86, where a store may still be in
/// the store buffer while a later load is done.
#[derive(Debug)]
pub(crate) struct Armed(AtomicBool);

impl Armed {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// The sleeper's half. After it, look at the data again, and only then sleep.
    pub(crate) fn arm(&self) {
        // Relaxed: the fence orders it before the look at the data, and there is nothing it has to publish.
        self.0.store(true, Ordering::Relaxed);
        // SeqCst: the sleeper's of the two fences.
        fence(Ordering::SeqCst);
    }

    /// The sleeper is awake and wants no wake-up.
    pub(crate) fn disarm(&self) {
        // Relaxed: a producer that misses it wakes for nothing.
        self.0.store(false, Ordering::Relaxed);
    }

    /// The producer's half, after it has stored the data: whether it is the one that has to wake the sleeper. Of several
    /// producers one is told so, until the sleeper arms again.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // SeqCst: the producer's of the two fences.
        fence(Ordering::SeqCst);
        // Relaxed: the fence has ordered it after the data. The load first, because a swap costs the cache line even if
        // nobody sleeps; the swap is what makes one producer win.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
