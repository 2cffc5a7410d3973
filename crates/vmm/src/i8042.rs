//! The keyboard controller, with its one function that needs no keyboard: the guest resets the machine with it.

use std::sync::atomic::{AtomicBool, Ordering};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};

/// The I/O port for commands.
pub(crate) const PORT: u16 = 0x64;
/// The command that resets the processor.
pub(crate) const RESET: u8 = 0xfe;

/// The controller. Only the reset command is implemented.
#[derive(Debug, Default)]
pub(crate) struct I8042 {
    reset: AtomicBool,
}

impl I8042 {
    /// Takes the request to reset the machine, if the guest has made it.
    pub(crate) fn take_reset(&self) -> bool {
        self.reset.swap(false, Ordering::Relaxed)
    }
}

impl DevicePio for I8042 {
    fn pio_read(&self, _base: PioAddress, _offset: PioAddressOffset, data: &mut [u8]) {
        // The status: no key is waiting, and a command can be written.
        data.fill(0);
    }

    fn pio_write(&self, _base: PioAddress, _offset: PioAddressOffset, data: &[u8]) {
        if data == [RESET] {
            self.reset.store(true, Ordering::Relaxed);
        }
    }
}
