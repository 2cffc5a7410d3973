//! What KVM collects of the guest's output, while the guest polls.
//!
//! [`vuart::coalescing`] has the rules; this is the part that knows KVM. The machine has one processor, so its thread does all of
//! it and needs no lock. With several, draining, the access and what follows from it would together be under the port's.

use kvm_bindings::kvm_coalesced_mmio;
use kvm_ioctls::{Cap, IoEventAddress};
use vuart::coalescing::{Change, Coalescing};

use super::Vm;
use super::ticks::Ticks;
use crate::com1::COM1;

/// THR.
const PORT: IoEventAddress = IoEventAddress::Pio(COM1 as u64);
/// Of that width: KVM leaves the guest for wider writes.
const WIDTH: u32 = 1;
/// At least as many as KVM's ring holds, which is one page.
const ENTRIES: usize = 4096 / size_of::<kvm_coalesced_mmio>();

/// The zone at THR: registered, or not at the moment.
pub(super) struct Zone {
    policy: Coalescing,
    ticks: Ticks,
}

impl Zone {
    /// For the thread that runs the processor. If it is not wanted, or the capability or a timer can't be had, there is none,
    /// and each byte is an exit.
    pub(super) fn new(vm: &mut Vm) -> Option<Self> {
        vm.coalescing &= vm.fd.check_extension(Cap::CoalescedPio);
        if !vm.coalescing {
            return None;
        }
        let ring = vm.vcpu.map_coalesced_mmio_ring().map_err(std::io::Error::from);
        let zone = ring.and_then(|()| Ticks::new()).map(|ticks| Self { policy: Coalescing::new(), ticks });
        vm.coalescing = zone.is_ok();
        zone.inspect_err(|error| log::warn!("output is not coalesced: {error}")).ok()
    }
}

impl Vm {
    /// Hands the port what KVM has collected, before anything else is done there. How many bytes?
    pub(super) fn drain(&mut self) -> usize {
        if !self.coalescing {
            return 0;
        }
        let mut bytes = [0; ENTRIES];
        let mut count = 0;
        // What other processors add meanwhile may stay: it was written after the exit that is handled.
        while count < ENTRIES
            && let Ok(Some(entry)) = self.vcpu.coalesced_mmio_read()
        {
            // There is one zone, so each entry is one byte for one port.
            bytes[count] = entry.data[0];
            count += 1;
        }
        if count > 0 {
            self.counting.coalesced(count);
            self.board.write_string(COM1, 1, &bytes[..count]);
        }
        count
    }

    /// The guest has accessed a port, and `written` bytes for THR have come since the last time.
    pub(super) fn accessed(&mut self, zone: Option<&mut Zone>, written: usize) {
        if let Some(zone) = zone {
            let change = zone.policy.accessed(written, self.board.defers_output());
            self.change(zone, change);
        }
    }

    /// A signal has come: the tick, or one that does no harm if it is taken for it.
    pub(super) fn ticked(&mut self, zone: Option<&mut Zone>) {
        let written = self.drain();
        if let Some(zone) = zone {
            let change = zone.policy.ticked(written);
            self.change(zone, change);
        }
    }

    fn change(&mut self, zone: &mut Zone, change: Option<Change>) {
        let Some(change) = change else { return };
        let done = match change {
            Change::Register => self.fd.register_coalesced_mmio(PORT, WIDTH),
            Change::Unregister => self.fd.unregister_coalesced_mmio(PORT, WIDTH),
        };
        match (change, done) {
            (Change::Register, Ok(())) => {
                self.counting.registration();
                zone.ticks.start();
            }
            (Change::Unregister, Ok(())) => {
                zone.ticks.stop();
                self.drain();
            }
            (_, Err(error)) => {
                log::debug!("KVM does not change what it collects: {error}");
                zone.policy.failed(change);
            }
        }
    }
}
