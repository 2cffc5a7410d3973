//! The two devices that are compared, each as a VMM has it.

use std::hint::black_box;
use std::io::Write;

use vm_device::MutDevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vuart::{NewPortError, Options, SerialPort};

/// The interrupt of a guest that polls, as a kernel's console does: it is never raised.
#[derive(Debug)]
pub(crate) struct Polled;

impl Trigger for Polled {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        Ok(())
    }
}

pub(crate) type Port = SerialPort<Polled>;

/// Ours: ring, wake-up check and counters are on, as always.
pub(crate) fn port() -> Result<Port, NewPortError> {
    port_with(Options::default())
}

/// The same with another ring, say.
pub(crate) fn port_with(options: Options) -> Result<Port, NewPortError> {
    SerialPort::with_options(Polled, options)
}

pub(crate) type Peer<W> = Serial<Polled, NoEvents, W>;

/// vm-superio's, writing into `out`.
pub(crate) fn peer<W: Write>(out: W) -> Peer<W> {
    Serial::new(Polled, out)
}

/// The registers of a device, which a VMM accesses by a call that its compiler can't see through: in the loop that measures it, too,
/// so that neither of the two is made part of the loop and known too much of.
pub(crate) trait Registers {
    fn read_register(&mut self, register: u8) -> u8;
    fn write_register(&mut self, register: u8, value: u8);
}

impl<T: Trigger> Registers for SerialPort<T> {
    fn read_register(&mut self, register: u8) -> u8 {
        self.read_register(register)
    }

    fn write_register(&mut self, register: u8, value: u8) {
        self.write_register(register, value);
    }
}

impl<T: Trigger, W: Write> Registers for Serial<T, NoEvents, W> {
    fn read_register(&mut self, register: u8) -> u8 {
        self.read(register)
    }

    fn write_register(&mut self, register: u8, value: u8) {
        // The error is the sink's. It is looked at, as a VMM that counts losses does, and found by the check at the end.
        if self.write(register, value).is_err() {
            black_box("lost");
        }
    }
}

/// vm-superio's on a bus: the adapter that each VMM writes for itself.
#[derive(Debug)]
pub(crate) struct PeerOnBus<W: Write>(pub(crate) Peer<W>);

impl<W: Write> MutDevicePio for PeerOnBus<W> {
    fn pio_read(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        if let ([byte], Ok(offset)) = (data, u8::try_from(offset)) {
            *byte = self.0.read(offset);
        }
    }

    fn pio_write(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        if let ([byte], Ok(offset)) = (data, u8::try_from(offset)) {
            // A VMM has nobody to tell.
            let _ = self.0.write(offset, *byte);
        }
    }
}
