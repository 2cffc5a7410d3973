//! A port in memory, whose registers are a power of two apart.

use vm_superio::Trigger;

use crate::port::{Ring, SerialPort};

/// A [`SerialPort`] whose register `n` is at byte `n << shift` of an MMIO range: `reg-shift` of a device tree.
///
/// An access (`reg-io-width`) may be 1, 2, 4 or 8 bytes wide. The register is the lowest byte; the others read 0 and are ignored when
/// written. With `shift` 0, wide accesses can't be told from neighbouring registers, so a wide access is one to several registers, as in
/// port I/O. A read between two registers gives 0, and a write there is ignored.
///
/// ```
/// use vuart::{MmioPort, SerialPort};
/// let mut port = MmioPort::new(SerialPort::new(|| ()), 2); // 32-bit registers
/// port.write(0, &u32::from(b'A').to_le_bytes());
/// let mut lsr = [0xAA; 4];
/// port.read(5 << 2, &mut lsr);
/// assert_eq!(u32::from_le_bytes(lsr), 0x60);
/// ```
#[derive(Debug)]
pub struct MmioPort<T> {
    port: SerialPort<T>,
    shift: u8,
}

impl<T: Trigger> MmioPort<T> {
    /// The largest register shift. With a larger one, registers would be more than 256 bytes apart.
    pub const MAX_SHIFT: u8 = 8;

    /// Puts the registers of `port` `1 << shift` bytes apart. A `shift` above [`MAX_SHIFT`](Self::MAX_SHIFT) counts as that.
    pub fn new(port: SerialPort<T>, shift: u8) -> Self {
        Self { port, shift: shift.min(Self::MAX_SHIFT) }
    }

    /// The length of the MMIO range in bytes.
    pub fn len(&self) -> u64 {
        8 << self.shift
    }

    /// The register shift.
    #[cfg(feature = "kvm")]
    pub(crate) fn shift(&self) -> u8 {
        self.shift
    }

    /// Returns `false`: there are eight registers.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The port itself.
    pub fn port(&self) -> &SerialPort<T> {
        &self.port
    }

    /// The port itself, for the host's side: its modem lines, a recording.
    pub fn port_mut(&mut self) -> &mut SerialPort<T> {
        &mut self.port
    }

    /// [`SerialPort::reset`].
    pub fn reset(&mut self) -> u64 {
        self.port.reset()
    }

    /// Serves a guest's read of `data.len()` bytes at `offset` into the range.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        if self.shift == 0 {
            return self.port.read(offset, data);
        }
        data.fill(0);
        if let (Some(register), Some((lowest, _))) = (self.register(offset), data.split_first_mut()) {
            self.port.read(register, std::slice::from_mut(lowest));
        }
    }

    /// Serves a guest's write at `offset` into the range.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        self.write_and_ring(offset, data, Ring::Port);
    }

    /// [`write`](Self::write). Returns whether there was output.
    pub(crate) fn write_and_ring(&mut self, offset: u64, data: &[u8], ring: Ring) -> bool {
        if self.shift == 0 {
            return self.port.write_and_ring(offset, data, ring);
        }
        if let (Some(register), Some((lowest, _))) = (self.register(offset), data.split_first()) {
            return self.port.write_and_ring(register, std::slice::from_ref(lowest), ring);
        }
        false
    }

    /// The register at an offset. Between two registers there is none.
    fn register(&self, offset: u64) -> Option<u64> {
        let between = offset & ((1 << self.shift) - 1);
        (between == 0).then_some(offset >> self.shift)
    }
}
