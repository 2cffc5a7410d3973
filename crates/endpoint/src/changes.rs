//! Whether the host has done anything that the port has to look at: one word, so that a guest that polls costs one load.

use std::sync::Arc;

use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Release};

/// How often the host has done something that the port has to look at: input has come, a wish for an announcement was
/// cleared, the carrier is to be dropped.
///
/// Whoever does it notes it afterwards, and interrupts the guest after that. So a port that finds the count as it was has nothing
/// to look at that the guest could know of. One that goes to look reads the count first: what comes after that is noted after that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    #[cfg(not(all(test, loom)))]
    count: Arc<AtomicU64>,
    /// Models that do not look at it have none: it would multiply what there is to explore.
    #[cfg(all(test, loom))]
    count: Option<Arc<AtomicU64>>,
}

#[cfg(not(all(test, loom)))]
impl Changes {
    pub(crate) fn note(&self) {
        // Release: whoever acquires the count sees what was done.
        self.count.fetch_add(1, Release);
    }

    #[inline]
    pub(crate) fn count(&self) -> u64 {
        // Acquire: with the release above, what was noted is seen by whoever goes to look.
        self.count.load(Acquire)
    }
}

#[cfg(all(test, loom))]
impl Changes {
    /// One that is explored.
    pub(crate) fn explored() -> Self {
        Self { count: Some(Arc::new(AtomicU64::new(0))) }
    }

    pub(crate) fn note(&self) {
        if let Some(count) = &self.count {
            count.fetch_add(1, Release);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.as_ref().map_or(0, |count| count.load(Acquire))
    }
}
