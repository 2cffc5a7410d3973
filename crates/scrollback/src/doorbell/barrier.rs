//! The two halves of the barrier between "here is data" and "somebody sleeps".

use std::{
    sync::atomic::{AtomicBool, compiler_fence},
    thread,
    time::Duration,
};

use rustix::thread::{MembarrierCommand, membarrier};

use super::sync::{Ordering, fence};

/// Longer than a store stays in a store buffer: that is well below a microsecond on a core that runs, and a core that takes
/// an interrupt (a timer's is due in this time) or changes threads has emptied it.
const DRAIN: Duration = Duration::from_millis(10);

/// A barrier whose price the sleeper pays, by `membarrier(2)`; or, without that, both by a fence.
///
/// Why either is enough is in the docs of [`Doorbell`](crate::Doorbell).
#[derive(Debug)]
pub(crate) struct Barrier {
    /// Producers make a fence themselves.
    fenced: AtomicBool,
    /// Sleepers may rely on it that all producers do.
    settled: AtomicBool,
}

impl Barrier {
    /// By `membarrier(2)` if there is one.
    pub(crate) fn asymmetric() -> Self {
        // Miri knows no such system call, and ends if it sees one.
        if cfg!(miri) || membarrier(MembarrierCommand::RegisterPrivateExpedited).is_err() {
            return Self::symmetric();
        }
        Self { fenced: AtomicBool::new(false), settled: AtomicBool::new(false) }
    }

    /// By fences.
    pub(crate) fn symmetric() -> Self {
        Self { fenced: AtomicBool::new(true), settled: AtomicBool::new(true) }
    }

    pub(crate) fn is_asymmetric(&self) -> bool {
        // Relaxed: for people.
        !self.fenced.load(Ordering::Relaxed)
    }

    /// The producer's half, between the data and its look at who sleeps, if that costs nothing. `false` says that it has to be
    /// [`light_by_fence`](Self::light_by_fence), and that nothing was done.
    #[inline]
    #[must_use]
    pub(crate) fn light_for_free(&self) -> bool {
        compiler_fence(Ordering::SeqCst);
        // Relaxed: see `switch`.
        !self.fenced.load(Ordering::Relaxed)
    }

    /// The producer's half, at the price of a fence.
    pub(crate) fn light_by_fence() {
        fence(Ordering::SeqCst);
    }

    /// The sleeper's half, between its saying so and its second look at the data.
    pub(crate) fn heavy(&self) {
        // Acquire, with the release in `switch`: whoever skips the system call comes after the pause.
        if !self.settled.load(Ordering::Acquire) && membarrier(MembarrierCommand::PrivateExpedited).is_err() {
            self.switch();
        }
        // In the one mode the sleeper's of the two fences; in the other for the form, as the system call is one itself.
        fence(Ordering::SeqCst);
    }

    /// `membarrier(2)` has worked once and does no more. A producer that has not seen this yet makes no fence: it loaded
    /// the flag before, so the data was in its store buffer by then, and after the pause is not. The ones that see it make
    /// theirs. Another sleeper must not go on before that either, and so finds out for itself.
    #[cold]
    fn switch(&self) {
        self.fenced.store(true, Ordering::SeqCst);
        thread::sleep(DRAIN);
        self.settled.store(true, Ordering::Release);
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;

    #[test]
    fn once_switched_it_stays_with_fences() {
        let barrier = Barrier::asymmetric();
        barrier.switch();
        assert!(!barrier.is_asymmetric());
        assert!(barrier.settled.load(Ordering::Relaxed));
    }
}
