//! What the guest has written, as the bus has seen it: the reference for everything that is read through the console.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vuart_vmm::{Com1, Device};

/// Registers and bits of the 16550A that decide where a written byte goes.
const THR: u64 = 0;
const LCR: u64 = 3;
const LCR_DLAB: u8 = 0x80;
const MCR: u64 = 4;
const MCR_LOOP: u8 = 0x10;

/// The longest access that a bus splits into registers.
const ACCESS_MAX: usize = 8;

/// Stands between the bus and the port, passes every access on, and hands on each byte that goes over the line.
///
/// It knows nothing of the ring, nor of how the port is made.
pub(super) struct Witness {
    port: Device,
    /// A channel and not a shared list: the guest's processor must not wait for whoever reads it.
    written: Sender<u8>,
    /// Only the guest's processor touches these; they are atomic because a device is shared.
    divisor_latch: AtomicBool,
    loopback: AtomicBool,
}

impl Witness {
    /// A witness of what goes to `port`, and where to hear from it.
    pub(super) fn new(port: Device) -> (Self, Receiver<u8>) {
        let (written, heard) = channel();
        let off = || AtomicBool::new(false);
        (Self { port, written, divisor_latch: off(), loopback: off() }, heard)
    }

    fn note(&self, register: u64, value: u8) {
        match register {
            THR if !self.divisor_latch.load(Relaxed) && !self.loopback.load(Relaxed) => {
                // When nobody listens any more, nothing is to be told.
                let _ = self.written.send(value);
            }
            LCR => self.divisor_latch.store(value & LCR_DLAB != 0, Relaxed),
            MCR => self.loopback.store(value & MCR_LOOP != 0, Relaxed),
            _ => {}
        }
    }
}

impl DevicePio for Witness {
    fn pio_read(&self, base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        self.port.pio_read(base, offset, data);
    }

    fn pio_write(&self, base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        // Before it is passed on: whatever a reader of the ring has seen, the witness has.
        if data.len() <= ACCESS_MAX {
            for (register, value) in (u64::from(offset)..).zip(data) {
                self.note(register, *value);
            }
        }
        self.port.pio_write(base, offset, data);
    }
}

impl Com1 for Witness {
    fn read_string(&self, offset: PioAddressOffset, bytes: &mut [u8]) {
        self.port.read_string(offset, bytes);
    }

    fn write_string(&self, offset: PioAddressOffset, bytes: &[u8]) {
        for value in bytes {
            self.note(offset.into(), *value);
        }
        self.port.write_string(offset, bytes);
    }

    fn defers_output(&self) -> bool {
        self.port.defers_output()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use vm_device::MutDevicePio;
    use vuart_vmm::Plain;

    use super::*;

    /// Counts what reaches it.
    #[derive(Default)]
    struct Port(Vec<(PioAddressOffset, Vec<u8>)>);

    impl MutDevicePio for Port {
        fn pio_read(&mut self, _: PioAddress, _: PioAddressOffset, data: &mut [u8]) {
            data.fill(0x5a);
        }

        fn pio_write(&mut self, _: PioAddress, offset: PioAddressOffset, data: &[u8]) {
            self.0.push((offset, data.to_vec()));
        }
    }

    #[test]
    fn hears_what_goes_over_the_line_and_passes_everything_on() {
        let port = Arc::new(Mutex::new(Port::default()));
        let (witness, heard) = Witness::new(Arc::new(Plain(port.clone())));
        let write = |offset, data: &[u8]| witness.pio_write(PioAddress(0x3f8), offset, data);
        write(0, b"a");
        write(3, &[LCR_DLAB | 3]);
        write(0, b"\x01");
        write(3, &[3]);
        write(4, &[MCR_LOOP]);
        write(0, b"l");
        write(4, &[0x0b]);
        // A wide access is several registers; one that is too wide is none.
        write(0, b"b\x01");
        write(0, &[b'x'; 9]);
        witness.write_string(0, b"string");
        witness.write_string(1, b"IER");
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), b"abstring");
        assert_eq!(port.lock().unwrap().0.len(), 18);
        let mut data = [0; 2];
        witness.pio_read(PioAddress(0x3f8), 5, &mut data);
        assert_eq!(data, [0x5a; 2]);
    }
}
