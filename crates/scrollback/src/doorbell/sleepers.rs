//! Who sleeps: a bit for each, which makes a wake-up coalesced and never lost.

use std::sync::OnceLock;

use super::{
    barrier::Barrier,
    event::Event,
    place::{Claim, Place},
    sync::{Arc, AtomicU64, Ordering, fence},
};

/// As many as there are bits.
pub(crate) const PLACES: usize = u64::BITS as usize;

/// The sleepers of a [`Doorbell`](crate::Doorbell), and what each sleeps on.
///
/// Both words are changed by read-modify-writes only, so that each continues the release sequences before it: whoever takes
/// a bit from `armed` knows all that its sleeper did before it armed.
#[derive(Debug)]
pub(crate) struct Sleepers<E> {
    /// Who sleeps, or is about to, and wants to be woken.
    armed: AtomicU64,
    barrier: Barrier,
    /// Who there is at all.
    present: AtomicU64,
    /// Made when a place is first taken, and then kept for whoever takes it next: a producer may still hold the bit of a
    /// sleeper that has gone, and must find something that it can set.
    events: [OnceLock<Arc<E>>; PLACES],
}

impl<E: Event> Sleepers<E> {
    pub(crate) fn new(barrier: Barrier) -> Self {
        Self {
            armed: AtomicU64::new(0),
            barrier,
            present: AtomicU64::new(0),
            events: [const { OnceLock::new() }; PLACES],
        }
    }

    /// The producer's half, after it has stored the data. Whether it woke anybody: of several producers one does, until a
    /// sleeper arms again.
    #[inline]
    pub(crate) fn ring_if_armed(&self) -> bool {
        // What is rare is a call at the end, so that the usual way has no registers to save.
        if !self.barrier.light_for_free() {
            return self.ring_if_armed_by_fence();
        }
        // Relaxed: the barrier has ordered it after the data. The load first, because a swap costs the cache line even if
        // nobody sleeps.
        self.armed.load(Ordering::Relaxed) != 0 && self.ring_armed()
    }

    #[cold]
    #[inline(never)]
    fn ring_if_armed_by_fence(&self) -> bool {
        Barrier::light_by_fence();
        // Relaxed: as above.
        self.armed.load(Ordering::Relaxed) != 0 && self.ring_armed()
    }

    #[cold]
    #[inline(never)]
    fn ring_armed(&self) -> bool {
        // A swap, so that one producer takes each bit. Acquire: it finds the event, in the state that its sleeper left it.
        let armed = self.armed.swap(0, Ordering::Acquire);
        self.set(armed);
        armed != 0
    }

    /// Wakes all that there are, whoever sleeps.
    #[cold]
    pub(crate) fn ring(&self) {
        // SeqCst: a sleeper that has come too late to be seen here has armed, or will arm, after this, and sees what was
        // stored before.
        fence(Ordering::SeqCst);
        self.set(self.present.load(Ordering::Acquire));
    }

    fn set(&self, mut sleepers: u64) {
        while sleepers != 0 {
            let place = sleepers.trailing_zeros() as usize;
            sleepers &= sleepers - 1;
            if let Some(event) = self.events.get(place).and_then(OnceLock::get) {
                event.set();
            }
        }
    }

    /// Takes the first free place; `None` when there is none.
    pub(crate) fn enter<Error>(
        sleepers: &Arc<Self>,
        make: impl FnOnce() -> Result<E, Error>,
    ) -> Result<Option<Place<E>>, Error> {
        let lowest_free = |present: u64| (present != u64::MAX).then(|| present | (present + 1));
        // Acquire, with the release of `Claim::drop`: who had the place before is done with it.
        let Ok(present) = sleepers.present.fetch_update(Ordering::AcqRel, Ordering::Relaxed, lowest_free)
        else {
            return Ok(None);
        };
        let place = present.trailing_ones() as usize;
        let claim = Claim { sleepers: Arc::clone(sleepers), bit: 1 << place };
        let Some(cell) = sleepers.events.get(place) else { return Ok(None) };
        let event = if let Some(event) = cell.get() {
            Arc::clone(event)
        } else {
            let event = Arc::new(make()?);
            Arc::clone(cell.get_or_init(|| event))
        };
        // What is left of a ring for who was here before.
        event.clear();
        Ok(Some(Place { claim, event }))
    }
}

impl<E> Sleepers<E> {
    pub(crate) fn uses_membarrier(&self) -> bool {
        self.barrier.is_asymmetric()
    }

    pub(super) fn arm(&self, bit: u64) {
        // Release: whoever takes the bit finds the event as it is now.
        self.armed.fetch_or(bit, Ordering::Release);
        self.barrier.heavy();
    }

    pub(super) fn disarm(&self, bit: u64) {
        // Not if a producer has taken it: the cache line is left with the producers then. Relaxed: nobody else sets the bit,
        // and a producer that takes it meanwhile wakes for nothing.
        if self.armed.load(Ordering::Relaxed) & bit != 0 {
            self.armed.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub(super) fn leave(&self, bit: u64) {
        self.disarm(bit);
        // Release, with the acquire of `enter`: the next one's arming comes after this disarming.
        self.present.fetch_and(!bit, Ordering::Release);
    }
}
