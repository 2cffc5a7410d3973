//! The diagnostic port 0x80: what firmware writes there is what a `POST` card shows when the screen stays dark.
//!
//! The guest uses it in the same way: it says there why it gives up, and then resets the machine.

use std::sync::atomic::{AtomicU8, Ordering};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};

use crate::{Error, UartTest};

/// Where it is.
pub(crate) const PORT: u16 = 0x80;

/// The code of each test of the UART. `guest.S` has the same numbers.
const TESTS: [(u8, UartTest); 6] = [
    (0xe1, UartTest::InterruptEnable),
    (0xe2, UartTest::Scratch),
    (0xe3, UartTest::Loopback),
    (0xe4, UartTest::Identification),
    (0xe5, UartTest::Fifo),
    (0xe6, UartTest::Depth),
];

/// What a guest that halts in good order leaves there: nothing.
const NONE: u8 = 0;

/// The port, which keeps the last code.
#[derive(Debug, Default)]
pub(crate) struct PostPort(AtomicU8);

impl PostPort {
    /// Why the guest gave up, if it said that it did.
    pub(crate) fn complaint(&self) -> Result<(), Error> {
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

/// The code that the guest shows for a test.
pub(crate) fn code(test: UartTest) -> u8 {
    TESTS.iter().find(|(_, known)| *known == test).map_or(NONE, |(code, _)| *code)
}
