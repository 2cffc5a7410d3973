//! A small stand-in for the bus that Firecracker and Cloud Hypervisor both have. It is crosvm's.

use std::ops::RangeInclusive;
use std::sync::{Arc, Barrier, Mutex};

/// `vstate::bus::BusDevice`, `vm_device::BusDevice`.
pub(crate) trait BusDevice: Send {
    fn read(&mut self, base: u64, offset: u64, data: &mut [u8]);
    fn write(&mut self, base: u64, offset: u64, data: &[u8]) -> Option<Arc<Barrier>>;
}

/// `vstate::bus::Bus`, `vm_device::Bus`, with one range.
pub(crate) struct Bus {
    range: RangeInclusive<u64>,
    device: Arc<Mutex<dyn BusDevice>>,
}

impl Bus {
    pub(crate) fn new(device: Arc<Mutex<dyn BusDevice>>, base: u64, length: u64) -> Self {
        Self { range: base..=base + length - 1, device }
    }

    pub(crate) fn read(&self, address: u64, data: &mut [u8]) {
        assert!(self.range.contains(&address));
        self.device.lock().unwrap().read(*self.range.start(), address - self.range.start(), data);
    }

    pub(crate) fn write(&self, address: u64, data: &[u8]) {
        assert!(self.range.contains(&address));
        self.device.lock().unwrap().write(*self.range.start(), address - self.range.start(), data);
    }
}
