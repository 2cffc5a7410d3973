//! The diagnostic port 0x80. Firmware writes progress codes there, which a `POST` card displays when the screen stays dark.
//!
//! The guest uses it in the same way: before it gives up and resets the machine, it writes the reason there.

use std::sync::atomic::{AtomicU8, Ordering};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};

use crate::{Error, UartTest};

/// Its I/O port.
pub(crate) const PORT: u16 = 0x80;

/// The code of each test of the UART. `guest.S` uses the same numbers.
const TESTS: [(u8, UartTest); 6] = [
    (0xe1, UartTest::InterruptEnable),
    (0xe2, UartTest::Scratch),
    (0xe3, UartTest::Loopback),
    (0xe4, UartTest::Identification),
    (0xe5, UartTest::Fifo),
    (0xe6, UartTest::Depth),
];

/// The value if the guest has written no code, because it halts in good order.
const NONE: u8 = 0;

/// The port. It keeps the last code.
#[derive(Debug, Default)]
pub(crate) struct PostPort(AtomicU8);

impl PostPort {
    /// Forgets the code, as a reset of the machine does.
    pub(crate) fn clear(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    /// The error that the guest has reported, if it has given up.
    pub(crate) fn failure(&self) -> Result<(), Error> {
        let code = self.0.load(Ordering::Relaxed);
        if code == NONE {
            return Ok(());
        }
        match TESTS.iter().find(|(known, _)| *known == code) {
            Some((_, test)) => Err(Error::NoUart(*test)),
            None => Err(Error::GuestCrashed(format!("code {code:#04x} on the diagnostic port"))),
        }
    }
}

impl DevicePio for PostPort {
    fn pio_read(&self, _base: PioAddress, _offset: PioAddressOffset, data: &mut [u8]) {
        data.fill(0xff);
        if let Some(first) = data.first_mut() {
            *first = self.0.load(Ordering::Relaxed);
        }
    }

    fn pio_write(&self, _base: PioAddress, _offset: PioAddressOffset, data: &[u8]) {
        if let Some(first) = data.first() {
            self.0.store(*first, Ordering::Relaxed);
        }
    }
}

/// The code for a test.
pub(crate) fn code(test: UartTest) -> u8 {
    TESTS.iter().find(|(_, known)| *known == test).map_or(NONE, |(code, _)| *code)
}
