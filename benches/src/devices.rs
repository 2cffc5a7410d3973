//! The two devices that are compared, each as a VMM has it.

use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};

use vm_device::MutDevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vuart::{PortBuilder, SerialPort};

/// The interrupt of a guest that polls, as a kernel's console does. It is never raised.
///
/// The compiler makes both devices' code anew for each `COPY`, so each copy has other addresses. `src/copies.rs` says what for.
#[derive(Debug)]
pub(crate) struct Polled<const COPY: u8 = 0>;

impl<const COPY: u8> Trigger for Polled<COPY> {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        // This store never runs. It makes the copies differ, so that the compiler does not merge them.
        LAST_RAISED.store(COPY, Ordering::Relaxed);
        Ok(())
    }
}

static LAST_RAISED: AtomicU8 = AtomicU8::new(0);

/// Makes the compiler believe that somebody reads [`LAST_RAISED`]. Otherwise it removes the stores.
fn expose() {
    black_box(&LAST_RAISED);
}

pub(crate) type Port<const COPY: u8 = 0> = SerialPort<Polled<COPY>>;

/// Makes our port with default options: the ring, the doorbell and the counters are on.
pub(crate) fn port() -> Port {
    port_copy()
}

/// Makes one of several copies of our port. See [`Polled`].
pub(crate) fn port_copy<const COPY: u8>() -> Port<COPY> {
    port_with(PortBuilder::new())
}

/// Makes our port with another ring or chip.
pub(crate) fn port_with<const COPY: u8>(builder: PortBuilder) -> Port<COPY> {
    expose();
    builder.build(Polled)
}

pub(crate) type Peer<W, const COPY: u8 = 0> = Serial<Polled<COPY>, NoEvents, W>;

/// Makes vm-superio's device, which writes to `out`.
pub(crate) fn peer<W: Write>(out: W) -> Peer<W> {
    peer_copy(out)
}

/// Makes one of several copies of vm-superio's device. See [`Polled`].
pub(crate) fn peer_copy<W: Write, const COPY: u8>(out: W) -> Peer<W, COPY> {
    expose();
    Serial::new(Polled, out)
}

/// The registers of a device, behind a call that the compiler can't see through.
///
/// A VMM's exit handler accesses its devices like this. In the measuring loop it keeps either device from becoming part of the loop.
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
        // An error of the writer means lost output. The branch is there because a VMM that counts losses has it; the check at the
        // end of each measurement finds the loss.
        if self.write(register, value).is_err() {
            black_box("lost");
        }
    }
}

/// vm-superio's device on a bus. Each VMM writes this adapter itself.
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
            // The bus has no way to report an error.
            let _ = self.0.write(offset, *byte);
        }
    }
}
