//! Coalescing: while a guest polls, KVM collects its output, so that not each byte is an exit.
//!
//! [`vuart::coalescing`] has the rules. This file is the part that knows KVM. The machine has one vCPU, whose thread does all
//! of this, so no lock is needed. With several vCPUs, the drain, the access and what follows from it must happen together
//! under the port's lock.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use kvm_bindings::kvm_coalesced_mmio;
use kvm_ioctls::{Cap, IoEventAddress};
use vuart::coalescing::{Change, Coalescing};

use super::boot::Processor;
use super::ticks::Ticks;
use crate::com1::COM1;

/// The I/O port of THR.
const PORT: IoEventAddress = IoEventAddress::Pio(COM1 as u64);
/// The width of the accesses that KVM collects. Wider writes are exits.
const WIDTH: u32 = 1;
/// At least as many entries as KVM's ring holds, which is one page.
const ENTRIES: usize = 4096 / size_of::<kvm_coalesced_mmio>();

/// The output that KVM collects, if it may.
pub(super) struct Coalescer(Option<Zone>);

/// The coalesced zone at THR, which is registered or not.
struct Zone {
    policy: Coalescing,
    ticks: Ticks,
}

impl Coalescer {
    /// A coalescer for the current thread, which must be the one that runs the vCPU.
    ///
    /// If coalescing is not wanted, or KVM lacks the capability, or there is no timer, each byte is an exit.
    pub(super) fn new(processor: &mut Processor, wanted: bool) -> Self {
        if !wanted || !processor.vm.check_extension(Cap::CoalescedPio) {
            return Self(None);
        }
        let ring = processor.vcpu.map_coalesced_mmio_ring().map_err(io::Error::from);
        let zone = ring.and_then(|()| Ticks::new()).map(|ticks| Zone { policy: Coalescing::new(), ticks });
        Self(zone.inspect_err(|error| log::warn!("output is not coalesced: {error}")).ok())
    }

    /// Hands the collected output to the port, which must happen before any other access. Returns the number of bytes.
    pub(super) fn drain(&mut self, processor: &mut Processor) -> usize {
        if self.0.is_none() {
            return 0;
        }
        let mut bytes = [0; ENTRIES];
        let mut count = 0;
        // The bound is for output that other vCPUs add meanwhile. It comes after the exit that is handled, so it may stay.
        while count < ENTRIES
            && let Ok(Some(entry)) = processor.vcpu.coalesced_mmio_read()
        {
            // There is one zone, so each entry is one byte for THR.
            bytes[count] = entry.data[0];
            count += 1;
        }
        if count > 0 {
            // usize is not wider than u64.
            processor.counting.coalesced.fetch_add(count as u64, Relaxed);
            processor.board.write_string(COM1, 1, &bytes[..count]);
        }
        count
    }

    /// Notes that the guest has accessed a port, and that `written` bytes for THR have arrived since the last note.
    pub(super) fn accessed(&mut self, processor: &mut Processor, written: usize) {
        if let Some(zone) = &mut self.0 {
            let change = zone.policy.accessed(written, processor.board.defers_output());
            self.change(processor, change);
        }
    }

    /// Notes that a signal has arrived. It may be another signal than the tick, which does no harm.
    pub(super) fn ticked(&mut self, processor: &mut Processor) {
        let written = self.drain(processor);
        if let Some(zone) = &mut self.0 {
            let change = zone.policy.ticked(written);
            self.change(processor, change);
        }
    }

    fn change(&mut self, processor: &mut Processor, change: Option<Change>) {
        let (Some(zone), Some(change)) = (&mut self.0, change) else { return };
        let done = match change {
            Change::Register => processor.vm.register_coalesced_mmio(PORT, WIDTH),
            Change::Unregister => processor.vm.unregister_coalesced_mmio(PORT, WIDTH),
        };
        match (change, done) {
            (Change::Register, Ok(())) => {
                processor.counting.registrations.fetch_add(1, Relaxed);
                zone.ticks.start();
            }
            (Change::Unregister, Ok(())) => {
                zone.ticks.stop();
                self.drain(processor);
            }
            (_, Err(error)) => {
                log::debug!("KVM does not change what it collects: {error}");
                zone.policy.failed(change);
            }
        }
    }
}
