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
    /// How often the guest was reset and has booted again.
    pub reboots: u64,
}

/// The counters while the machine runs. Only the guest's thread counts.
///
/// Each access is relaxed: no other memory access depends on a counter.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) exits: AtomicU64,
    pub(crate) kicks: AtomicU64,
    pub(crate) coalesced: AtomicU64,
    pub(crate) registrations: AtomicU64,
    pub(crate) reboots: AtomicU64,
}

impl Counting {
    /// The current values.
    pub(crate) fn now(&self) -> Counters {
        Counters {
            exits: self.exits.load(Relaxed),
            kicks: self.kicks.load(Relaxed),
            coalesced: self.coalesced.load(Relaxed),
            registrations: self.registrations.load(Relaxed),
            reboots: self.reboots.load(Relaxed),
        }
    }
}
