//! The two devices that are compared, each as a VMM has it.

use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};

use vm_device::MutDevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vuart::{NewPortError, PortBuilder, SerialPort};

/// The interrupt of a guest that polls, as a kernel's console does: it is never raised.
///
/// Both devices' code is made anew for each `COPY`, and so is at as many addresses: see
/// [`over_copies`](crate::figures::over_copies).
#[derive(Debug)]
pub(crate) struct Polled<const COPY: u8 = 0>;

impl<const COPY: u8> Trigger for Polled<COPY> {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        // One instruction, which is never come to: so the copies differ, and the compiler does not make one of them all.
        LAST_RAISED.store(COPY, Ordering::Relaxed);
        Ok(())
    }
}

static LAST_RAISED: AtomicU8 = AtomicU8::new(0);

/// Somebody might look at it, for all that the compiler knows: or there would be no stores.
fn expose() {
    black_box(&LAST_RAISED);
}

pub(crate) type Port = SerialPort<Polled>;

/// Ours: ring, wake-up check and counters are on, as always.
pub(crate) fn port() -> Result<Port, NewPortError> {
    port_with(PortBuilder::new())
}

/// The same with another ring, say.
pub(crate) fn port_with(builder: PortBuilder) -> Result<Port, NewPortError> {
    port_copy_with(builder)
}

/// One of several copies.
pub(crate) fn port_copy<const COPY: u8>() -> Result<SerialPort<Polled<COPY>>, NewPortError> {
    port_copy_with(PortBuilder::new())
}

/// The same with another ring or chip.
pub(crate) fn port_copy_with<const COPY: u8>(
    builder: PortBuilder,
) -> Result<SerialPort<Polled<COPY>>, NewPortError> {
    expose();
    builder.build(Polled)
}

pub(crate) type Peer<W, const COPY: u8 = 0> = Serial<Polled<COPY>, NoEvents, W>;

/// vm-superio's, writing into `out`.
pub(crate) fn peer<W: Write>(out: W) -> Peer<W> {
    peer_copy(out)
}

/// One of several copies.
pub(crate) fn peer_copy<W: Write, const COPY: u8>(out: W) -> Peer<W, COPY> {
    expose();
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
pub(crate) struct PeerOnBus<W: Write, const COPY: u8>(pub(crate) Peer<W, COPY>);

impl<W: Write, const COPY: u8> MutDevicePio for PeerOnBus<W, COPY> {
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
