//! The counters of a machine.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What has happened in a machine since its start. A software machine has no exits and coalesces nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// How often the vCPU has exited to user space.
    pub exits: u64,
    /// The number of these exits that signals have caused: ticks for collected output, and requests to stop.
    pub kicks: u64,
    /// How many bytes to THR KVM has collected, without an exit for each.
    pub coalesced: u64,
    /// How often THR's port was registered as a coalesced zone.
    pub registrations: u64,
}

/// The counters while the machine runs. Only the guest's thread counts.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    exits: AtomicU64,
    kicks: AtomicU64,
    coalesced: AtomicU64,
    registrations: AtomicU64,
}

// Only a machine with KVM counts.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
impl Counting {
    // Relaxed, here and below: no other memory access depends on a counter.
    pub(crate) fn exit(&self) {
        self.exits.fetch_add(1, Relaxed);
    }

    pub(crate) fn kick(&self) {
        self.kicks.fetch_add(1, Relaxed);
    }

    pub(crate) fn coalesced(&self, bytes: usize) {
        // usize is not wider than u64.
        self.coalesced.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn registration(&self) {
        self.registrations.fetch_add(1, Relaxed);
    }
}

impl Counting {
    /// The current values.
    pub(crate) fn now(&self) -> Counters {
        Counters {
            exits: self.exits.load(Relaxed),
            kicks: self.kicks.load(Relaxed),
            coalesced: self.coalesced.load(Relaxed),
            registrations: self.registrations.load(Relaxed),
        }
    }
}
