//! A count of what the host has done, so that a polling guest costs the port one load.

use std::sync::Arc;

use crate::bell::Bell;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Release};

/// The number of host actions that the port must look at: input arrived, a request for an announcement was cleared, or a
/// drop of the carrier became due.
///
/// The host counts an action after it has acted, and interrupts the guest after it has counted. So a port that finds the
/// count unchanged has missed nothing that the guest could know of. A port that looks for changes reads the count first: an
/// action that comes later is also counted later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes(Arc<AtomicU64>);

impl Changes {
    /// Returns a bell that counts one action each time it rings.
    pub(crate) fn bell(&self) -> Bell {
        let count = Arc::clone(&self.0);
        Box::new(move || {
            // Release: a port that acquires the count sees the action.
            count.fetch_add(1, Release);
        })
    }

    #[inline]
    pub(crate) fn count(&self) -> u64 {
        // Acquire: pairs with the release above, so the port sees every action that it finds counted.
        self.0.load(Acquire)
    }
}
