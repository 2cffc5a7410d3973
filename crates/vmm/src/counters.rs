//! What a machine counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What has happened in a machine since it was started. A software machine has no exits, and coalesces nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// How often the guest was left for user space, for whatever reason.
    pub exits: u64,
    /// Of these, the ones that signals caused: ticks for what KVM has collected, and requests to stop.
    pub kicks: u64,
    /// Bytes to THR that KVM has collected: no exit was made for them.
    pub coalesced: u64,
    /// How often THR's port was registered as a coalesced zone.
    pub registrations: u64,
}

/// The same, where they are counted: by the guest's thread alone.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    exits: AtomicU64,
    kicks: AtomicU64,
    coalesced: AtomicU64,
    registrations: AtomicU64,
}

// Only KVM's machine counts.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
impl Counting {
    // Relaxed, here and below: counters order nothing.
    pub(crate) fn exit(&self) {
        self.exits.fetch_add(1, Relaxed);
    }

    pub(crate) fn kick(&self) {
        self.kicks.fetch_add(1, Relaxed);
    }

    pub(crate) fn coalesced(&self, bytes: usize) {
        // usize is no wider.
        self.coalesced.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn registration(&self) {
        self.registrations.fetch_add(1, Relaxed);
    }
}

impl Counting {
    pub(crate) fn now(&self) -> Counters {
        Counters {
            exits: self.exits.load(Relaxed),
            kicks: self.kicks.load(Relaxed),
            coalesced: self.coalesced.load(Relaxed),
            registrations: self.registrations.load(Relaxed),
        }
    }
}
