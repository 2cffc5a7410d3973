//! The sleepers of a doorbell: a bit for each, so that wake-ups are coalesced and never lost.

#[cfg(feature = "std")]
use crate::sync::fence_after_unlock;
use crate::sync::{AtomicU64, Ordering, fence};

/// The most sleepers: one for each bit of a word.
pub(crate) const PLACES: usize = u64::BITS as usize;

/// How a producer wakes sleepers: P5 of the protocol.
pub(crate) trait Events {
    /// Sets the events of these sleepers, a bit for each. There may be none. It does not block.
    fn set(&self, sleepers: u64);
}

/// The sleepers of a doorbell, and the events that they sleep on.
///
/// Both words are changed by read-modify-writes only. So each change continues the release sequences before it: a producer that takes
/// a bit from `armed` sees all that the bit's sleeper did before it armed.
#[derive(Debug)]
pub(crate) struct Sleepers<E> {
    /// The sleepers that want to be woken: they sleep, or are about to.
    armed: AtomicU64,
    /// The places that are taken.
    present: AtomicU64,
    events: E,
}

impl<E: Events> Sleepers<E> {
    pub(crate) fn new(events: E) -> Self {
        Self { armed: AtomicU64::new(0), present: AtomicU64::new(0), events }
    }

    /// The producer's side, after it has stored the data. Returns whether it woke a sleeper: of several producers one does, until a
    /// sleeper arms again.
    #[inline]
    pub(crate) fn ring_if_armed(&self) -> bool {
        // P2. SeqCst: it pairs with S2 in `arm`. On x86-64 the compiler makes a locked instruction on the stack of it (rustc 1.95). A swap
        // of `armed` would need no fence and takes as long (2.0 and 2.2 ns with the push before it), but it would take the cache line
        // from other producers.
        fence(Ordering::SeqCst);
        self.ring_after_barrier()
    }

    /// The same for a producer that has unlocked a mutex since it stored the data.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn ring_if_armed_after_unlock(&self) -> bool {
        // P2. The docs of `Doorbell::ring_if_armed_after_unlock` say why this is enough.
        fence_after_unlock();
        self.ring_after_barrier()
    }

    #[inline]
    fn ring_after_barrier(&self) -> bool {
        // P3. Relaxed: the barrier has ordered it after the data. A load before the swap, because a swap takes the cache line from the
        // other producers even if nobody sleeps.
        self.armed.load(Ordering::Relaxed) != 0 && self.ring_armed()
    }

    // A call at the end, so that the usual way has no registers to save.
    #[cold]
    #[inline(never)]
    fn ring_armed(&self) -> bool {
        // P4. A swap, so that one producer takes each bit. Acquire: the producer sees the event in the state that its sleeper left it.
        let armed = self.armed.swap(0, Ordering::Acquire);
        self.events.set(armed);
        armed != 0
    }

    /// Wakes all sleepers, armed or not.
    #[cold]
    pub(crate) fn ring(&self) {
        // SeqCst: a sleeper that enters too late to be seen here arms after this fence, and sees what was stored before it.
        fence(Ordering::SeqCst);
        self.events.set(self.present.load(Ordering::Acquire));
    }
}

impl<E> Sleepers<E> {
    pub(super) fn events(&self) -> &E {
        &self.events
    }

    /// Takes the first free place, and returns its bit. Returns `None` if all are taken.
    pub(super) fn enter(&self) -> Option<u64> {
        let with_lowest_free = |present: u64| (present != u64::MAX).then(|| present | (present + 1));
        // Acquire, with the release of `leave`: the place's last sleeper is done with it.
        let present =
            self.present.fetch_update(Ordering::AcqRel, Ordering::Relaxed, with_lowest_free).ok()?;
        Some(1 << present.trailing_ones())
    }

    pub(super) fn arm(&self, bit: u64) {
        // S1. Release: the producer that takes the bit finds the event as it is now.
        self.armed.fetch_or(bit, Ordering::Release);
        // S2. SeqCst: it pairs with P2.
        fence(Ordering::SeqCst);
    }

    pub(super) fn disarm(&self, bit: u64) {
        // Not if a producer has taken the bit: the cache line stays with the producers then. Relaxed: only this sleeper sets the bit,
        // and a producer that takes it meanwhile wakes for nothing.
        if self.armed.load(Ordering::Relaxed) & bit != 0 {
            self.armed.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub(super) fn leave(&self, bit: u64) {
        self.disarm(bit);
        // Release, with the acquire of `enter`: the next sleeper arms after this one has disarmed.
        self.present.fetch_and(!bit, Ordering::Release);
    }
}
