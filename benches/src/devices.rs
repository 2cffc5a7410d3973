//! The two devices that are compared, each as a VMM has it.

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
