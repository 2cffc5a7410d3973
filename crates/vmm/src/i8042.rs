//! The one use that a PC without a keyboard has for its keyboard controller: the guest resets the machine with it.

use std::sync::atomic::{AtomicBool, Ordering};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};

/// The command port.
pub(crate) const PORT: u16 = 0x64;
/// The command that pulses the processor's reset line.
pub(crate) const RESET: u8 = 0xfe;

/// The controller, of which only the reset line is there.
#[derive(Debug, Default)]
pub(crate) struct I8042 {
    reset: AtomicBool,
}

impl I8042 {
    /// Whether the guest has reset the machine, which ends it.
    pub(crate) fn has_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }
}

impl DevicePio for I8042 {
    fn pio_read(&self, _base: PioAddress, _offset: PioAddressOffset, data: &mut [u8]) {
        // Status: no key in the output buffer, and the input buffer takes a command.
        data.fill(0);
    }

    fn pio_write(&self, _base: PioAddress, _offset: PioAddressOffset, data: &[u8]) {
        if data == [RESET] {
            self.reset.store(true, Ordering::Relaxed);
        }
    }
}
