//! What remains of a PC's power management: the register that switches the machine off, and the one that resets it.
//!
//! There are no ACPI tables. The registers are where a PC of QEMU has them, which is where guests without tables look.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};

/// `PM1a` control, two bytes.
pub(crate) const PM1_CONTROL: u16 = 0x604;
/// The length of `PM1a` control in bytes.
pub(crate) const PM1_CONTROL_PORTS: u16 = 2;
/// `SLP_EN`, with `SLP_TYP` of S5, "soft off", which is 0.
pub(crate) const POWER_OFF: u16 = 0x2000;

/// The reset control register: `RESET_REG` of the FADT.
pub(crate) const RESET_CONTROL: u16 = 0xcf9;
/// `RST_CPU`: a rise of this bit resets the machine.
pub(crate) const RESET_CPU: u8 = 0x04;

/// The registers. Each access is relaxed: the guest's thread alone makes and reads the requests.
#[derive(Debug, Default)]
pub(crate) struct Acpi {
    off: AtomicBool,
    reset: AtomicBool,
}

impl Acpi {
    /// Whether the guest has switched the machine off.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Relaxed)
    }

    /// Takes the request to reset the machine, if the guest has made it.
    pub(crate) fn take_reset(&self) -> bool {
        self.reset.swap(false, Relaxed)
    }
}

impl DevicePio for Acpi {
    fn pio_read(&self, _base: PioAddress, _offset: PioAddressOffset, data: &mut [u8]) {
        data.fill(0);
    }

    fn pio_write(&self, base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        match (base.0, offset, data) {
            (PM1_CONTROL, 0, data) if data == POWER_OFF.to_le_bytes() => self.off.store(true, Relaxed),
            (RESET_CONTROL, 0, [value]) if value & RESET_CPU != 0 => self.reset.store(true, Relaxed),
            _ => {}
        }
    }
}
