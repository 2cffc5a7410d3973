//! The device at COM1: what the machine requires of it, and how a `vuart` port provides it.

use std::slice::{from_mut, from_ref};
use std::sync::{Arc, Mutex, PoisonError};

use vm_device::DevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vm_superio::Trigger;
use vuart::{SerialPort, SharedPort};

/// The I/O port of the first serial port of a PC.
pub(crate) const COM1: u16 = 0x3f8;
/// The number of I/O ports that it takes: one for each register.
pub(crate) const COM1_PORTS: u16 = 8;

/// The device at COM1, as the machine holds it.
pub type Device = Arc<dyn Com1>;

/// A device at COM1: a device on the bus that can also handle several bytes in one call.
///
/// [`Plain`] adapts any device on the bus. It then handles each byte by itself.
pub trait Com1: DevicePio + Send + Sync {
    /// Handles several reads of one register, one for each of `bytes`: `rep insb`.
    fn read_string(&self, offset: PioAddressOffset, bytes: &mut [u8]) {
        for byte in bytes {
            self.pio_read(PioAddress(COM1), offset, from_mut(byte));
        }
    }

    /// Handles several writes to one register: `rep outsb`, or output that KVM has collected.
    fn write_string(&self, offset: PioAddressOffset, bytes: &[u8]) {
        for byte in bytes {
            self.pio_write(PioAddress(COM1), offset, from_ref(byte));
        }
    }

    /// Resets the device, because the machine is reset: its registers get their power-on values; see [`SerialPort::reset`]. A device that
    /// does nothing here keeps what the guest has set.
    fn reset(&self) {}

    /// Whether the guest can't notice when its writes to THR arrive here; see [`SerialPort::defers_output`]. While this is
    /// true, KVM may collect them.
    fn defers_output(&self) -> bool {
        false
    }
}

impl<T: Trigger + Send + Sync + 'static> Com1 for Mutex<SerialPort<T>> {
    fn read_string(&self, offset: PioAddressOffset, bytes: &mut [u8]) {
        self.lock().unwrap_or_else(PoisonError::into_inner).read_string(offset.into(), bytes);
    }

    fn write_string(&self, offset: PioAddressOffset, bytes: &[u8]) {
        self.lock().unwrap_or_else(PoisonError::into_inner).write_string(offset.into(), bytes);
    }

    fn reset(&self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).reset();
    }

    fn defers_output(&self) -> bool {
        self.lock().unwrap_or_else(PoisonError::into_inner).defers_output()
    }
}

impl<T: Trigger + Send + Sync + 'static> Com1 for SharedPort<T> {
    fn read_string(&self, offset: PioAddressOffset, bytes: &mut [u8]) {
        Self::read_string(self, offset.into(), bytes);
    }

    fn write_string(&self, offset: PioAddressOffset, bytes: &[u8]) {
        Self::write_string(self, offset.into(), bytes);
    }

    fn reset(&self) {
        Self::reset(self);
    }

    fn defers_output(&self) -> bool {
        self.with(|port| port.defers_output())
    }
}

/// Adapts a device that only knows the bus.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use vm_device::MutDevicePio;
/// use vm_device::bus::{PioAddress, PioAddressOffset};
/// use vuart_vmm::{Device, Plain};
///
/// struct Scratch(u8);
///
/// impl MutDevicePio for Scratch {
///     fn pio_read(&mut self, _: PioAddress, _: PioAddressOffset, data: &mut [u8]) {
///         data.fill(self.0);
///     }
///     fn pio_write(&mut self, _: PioAddress, _: PioAddressOffset, data: &[u8]) {
///         self.0 = data[0];
///     }
/// }
///
/// let com1: Device = Arc::new(Plain(Mutex::new(Scratch(0))));
/// ```
#[derive(Debug)]
pub struct Plain<D>(pub D);

impl<D: DevicePio> DevicePio for Plain<D> {
    fn pio_read(&self, base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        self.0.pio_read(base, offset, data);
    }

    fn pio_write(&self, base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        self.0.pio_write(base, offset, data);
    }
}

impl<D: DevicePio + Send + Sync> Com1 for Plain<D> {}
