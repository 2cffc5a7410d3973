//! A tap on the bus: it records what the guest writes, as the reference for everything that is read through the console.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vuart_vmm::{Com1, Device};

// The registers and bits of the 16550A that decide whether a written byte is output.
const THR: u64 = 0;
const LCR: u64 = 3;
const LCR_DLAB: u8 = 0x80;
const MCR: u64 = 4;
const MCR_LOOP: u8 = 0x10;

/// The longest access that is split into single registers, in bytes.
const ACCESS_MAX: usize = 8;

/// A device between the bus and the port. It forwards every access, and records each byte that leaves on the line.
///
/// It is independent of the ring and of the port's implementation.
pub(super) struct BusTap {
    port: Device,
    /// A channel rather than a locked list, so that the vCPU never waits for the reader.
    written: Sender<u8>,
    // Only the vCPU's thread uses these two. They are atomic because a device is shared.
    divisor_latch: AtomicBool,
    loopback: AtomicBool,
}

impl BusTap {
    /// A tap in front of `port`, and the receiver of the bytes that it records.
    pub(super) fn new(port: Device) -> (Self, Receiver<u8>) {
        let (written, tapped) = channel();
        let off = || AtomicBool::new(false);
        (Self { port, written, divisor_latch: off(), loopback: off() }, tapped)
    }

    fn note(&self, register: u64, value: u8) {
        match register {
            THR if !self.divisor_latch.load(Relaxed) && !self.loopback.load(Relaxed) => {
                // An error means that the receiver is gone, and then the byte is not needed.
                let _ = self.written.send(value);
            }
            LCR => self.divisor_latch.store(value & LCR_DLAB != 0, Relaxed),
            MCR => self.loopback.store(value & MCR_LOOP != 0, Relaxed),
            _ => {}
        }
    }
}

impl DevicePio for BusTap {
    fn pio_read(&self, base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        self.port.pio_read(base, offset, data);
    }

    fn pio_write(&self, base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        // Recorded before it is forwarded: a byte that a reader of the ring sees has been recorded.
        if data.len() <= ACCESS_MAX {
            for (register, value) in (u64::from(offset)..).zip(data) {
                self.note(register, *value);
            }
        }
        self.port.pio_write(base, offset, data);
    }
}

// Strings are handled byte by byte, so that each byte is recorded.
impl Com1 for BusTap {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use vm_device::MutDevicePio;
    use vuart_vmm::Plain;

    use super::*;

    /// Keeps the writes that reach it.
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
    fn it_records_the_output_and_forwards_every_access() {
        let port = Arc::new(Mutex::new(Port::default()));
        let (tap, heard) = BusTap::new(Arc::new(Plain(port.clone())));
        let write = |offset, data: &[u8]| tap.pio_write(PioAddress(0x3f8), offset, data);
        write(0, b"a");
        write(3, &[LCR_DLAB | 3]);
        write(0, b"\x01");
        write(3, &[3]);
        write(4, &[MCR_LOOP]);
        write(0, b"l");
        write(4, &[0x0b]);
        // A wide access is split into registers; one that is too wide is ignored.
        write(0, b"b\x01");
        write(0, &[b'x'; 9]);
        tap.write_string(0, b"string");
        tap.write_string(1, b"IER");
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), b"abstring");
        assert_eq!(port.lock().unwrap().0.len(), 18);
        let mut data = [0; 2];
        tap.pio_read(PioAddress(0x3f8), 5, &mut data);
        assert_eq!(data, [0x5a; 2]);
    }
}
