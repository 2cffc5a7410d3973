//! The machine's port I/O bus and its devices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use vm_device::bus::{PioAddress, PioAddressOffset, PioRange};
use vm_device::device_manager::{IoManager, PioManager};

use crate::acpi::{self, Acpi};
use crate::com1::{COM1, COM1_PORTS, Device};
use crate::i8042::{self, I8042};
use crate::post::{self, PostPort};
use crate::{Error, Exit};

/// The value that a read returns from a port without a device.
const OPEN_BUS: u8 = 0xff;

/// The bus. The guests of both engines reach the devices only through it.
pub(crate) struct Board {
    bus: IoManager,
    /// The device at COM1, which is also on the bus. The bus has no calls for strings.
    com1: Device,
    i8042: Arc<I8042>,
    acpi: Arc<Acpi>,
    post: Arc<PostPort>,
    /// How often the guest may still boot again. Only the guest's thread counts.
    reboots: AtomicU32,
}

/// What the guest has asked of the machine.
#[derive(Debug)]
pub(crate) enum Request {
    /// To end, in this way.
    End(Result<Exit, Error>),
    /// To be reset.
    Reset,
}

impl Board {
    /// A board with this device at COM1, whose guest may boot again `reboots` times.
    pub(crate) fn new(com1: Device, reboots: u32) -> Result<Self, Error> {
        let mut bus = IoManager::new();
        let i8042 = Arc::new(I8042::default());
        let acpi = Arc::new(Acpi::default());
        let post = Arc::new(PostPort::default());
        bus.register_pio(PioRange::new(PioAddress(COM1), COM1_PORTS)?, com1.clone())?;
        bus.register_pio(PioRange::unit(PioAddress(i8042::PORT)), i8042.clone())?;
        bus.register_pio(PioRange::unit(PioAddress(post::PORT)), post.clone())?;
        let power_off = PioRange::new(PioAddress(acpi::PM1_CONTROL), acpi::PM1_CONTROL_PORTS)?;
        bus.register_pio(power_off, acpi.clone())?;
        bus.register_pio(PioRange::unit(PioAddress(acpi::RESET_CONTROL)), acpi.clone())?;
        Ok(Self { bus, com1, i8042, acpi, post, reboots: AtomicU32::new(reboots) })
    }

    /// Handles one `in` with the width of `data`.
    pub(crate) fn read(&self, port: u16, data: &mut [u8]) {
        if self.bus.pio_read(PioAddress(port), data).is_err() {
            data.fill(OPEN_BUS);
        }
    }

    /// Handles one `out` with the width of `data`.
    pub(crate) fn write(&self, port: u16, data: &[u8]) {
        // The only error is that the port has no device. Such a write has no effect.
        let _ = self.bus.pio_write(PioAddress(port), data);
    }

    /// Handles several `in`s of `width` bytes each from one port, as a string instruction makes them.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn read_string(&self, port: u16, width: usize, data: &mut [u8]) {
        if let (Some(register), 1) = (com1_register(port), width) {
            return self.com1.read_string(register, data);
        }
        for element in data.chunks_mut(width.max(1)) {
            self.read(port, element);
        }
    }

    /// Handles several `out`s of `width` bytes each to one port.
    pub(crate) fn write_string(&self, port: u16, width: usize, data: &[u8]) {
        if let (Some(register), 1) = (com1_register(port), width) {
            return self.com1.write_string(register, data);
        }
        for element in data.chunks(width.max(1)) {
            self.write(port, element);
        }
    }

    /// Whether the guest can't notice when its writes to THR reach COM1.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn defers_output(&self) -> bool {
        self.com1.defers_output()
    }

    /// Takes what the guest has asked of the machine, if anything. A guest that resets the machine after it has reported a failure has
    /// given up.
    pub(crate) fn request(&self) -> Option<Request> {
        if self.acpi.is_off() {
            return Some(Request::End(Ok(Exit::Halted)));
        }
        // Both are taken.
        if !(self.i8042.take_reset() | self.acpi.take_reset()) {
            return None;
        }
        Some(self.post.failure().map_or_else(|error| Request::End(Err(error)), |()| Request::Reset))
    }

    /// Resets the devices, so that the guest boots again. Returns `false`, and resets nothing, if it has booted often enough.
    pub(crate) fn reset(&self) -> bool {
        // Relaxed: see the field.
        let left = self.reboots.load(Relaxed);
        if left == 0 {
            return false;
        }
        self.reboots.store(left - 1, Relaxed);
        self.post.clear();
        self.com1.reset();
        true
    }
}

/// The register of COM1 at a port, if the port is one of COM1's.
pub(crate) fn com1_register(port: u16) -> Option<PioAddressOffset> {
    port.checked_sub(COM1).filter(|register| *register < COM1_PORTS)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use vm_device::DevicePio;

    use super::*;
    use crate::{Com1, Plain, UartTest};

    /// A device that keeps what is written, and strings as they arrive. A read returns the register's offset, and bit 7 if it
    /// reads a string.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<(PioAddressOffset, Vec<u8>)>>);

    impl Recorder {
        fn written(&self) -> Vec<(PioAddressOffset, Vec<u8>)> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl DevicePio for Recorder {
        fn pio_read(&self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
            data.fill(offset.to_le_bytes()[0]);
        }

        fn pio_write(&self, _base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
            self.0.lock().unwrap().push((offset, data.to_vec()));
        }
    }

    impl Com1 for Recorder {
        fn read_string(&self, offset: PioAddressOffset, bytes: &mut [u8]) {
            bytes.fill(offset.to_le_bytes()[0] | 0x80);
        }

        fn write_string(&self, offset: PioAddressOffset, bytes: &[u8]) {
            self.pio_write(PioAddress(COM1), offset, bytes);
        }

        fn reset(&self) {
            self.pio_write(PioAddress(COM1), 0, b"reset");
        }
    }

    fn read(board: &Board, port: u16) -> u8 {
        let mut data = [0];
        board.read(port, &mut data);
        data[0]
    }

    #[test]
    fn com1_has_eight_ports_and_other_ports_are_open() {
        let com1 = Arc::new(Recorder::default());
        let board = Board::new(Arc::new(Plain(com1.clone())), 0).unwrap();
        assert_eq!([0x3f7, 0x3f8, 0x3ff, 0x400].map(|port| read(&board, port)), [0xff, 0, 7, 0xff]);

        board.write(0x3f7, &[1]);
        board.write(0x3f9, &[2]);
        board.write(0x3fe, &[3, 4]);
        // An access that is partly outside of the device does not reach it.
        board.write(0x3ff, &[5, 6]);
        assert_eq!(com1.written(), [(1, vec![2]), (6, vec![3, 4])]);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_string_is_several_accesses_to_one_port() {
        let com1 = Arc::new(Recorder::default());
        let board = Board::new(Arc::new(Plain(com1.clone())), 0).unwrap();
        board.write_string(0x3f8, 1, b"abc");
        board.write_string(0x3fa, 2, b"defg");
        let written = [(0, &b"a"[..]), (0, b"b"), (0, b"c"), (2, b"de"), (2, b"fg")];
        assert_eq!(com1.written(), written.map(|(register, bytes)| (register, bytes.to_vec())));
        let mut data = [0; 3];
        board.read_string(0x3fd, 1, &mut data);
        assert_eq!(data, [5; 3]);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_string_of_bytes_reaches_com1_in_one_piece() {
        let com1 = Arc::new(Recorder::default());
        let board = Board::new(com1.clone(), 0).unwrap();
        board.write_string(0x3f8, 1, b"abc");
        board.write_string(0x3f8, 2, b"wide");
        board.write_string(0x3f7, 1, b"beside it");
        board.write_string(0x3ff, 1, b"the last register");
        let written = [(0, &b"abc"[..]), (0, b"wi"), (0, b"de"), (7, b"the last register")];
        assert_eq!(com1.written(), written.map(|(register, bytes)| (register, bytes.to_vec())));
        let mut data = [0; 3];
        board.read_string(0x3fd, 1, &mut data);
        assert_eq!(data, [0x85; 3]);
    }

    #[test]
    fn f5_each_way_to_reset_the_machine_is_a_request() {
        let board = Board::new(Arc::new(Plain(Recorder::default())), 0).unwrap();
        for (port, nothing, reset) in [(i8042::PORT, 0xd1, i8042::RESET), (acpi::RESET_CONTROL, 0x02, 0x06)] {
            board.write(port, &[nothing]);
            assert!(board.request().is_none());
            board.write(port, &[reset]);
            assert!(matches!(board.request(), Some(Request::Reset)));
            assert!(board.request().is_none(), "it was taken");
        }
    }

    #[test]
    fn the_power_off_ends_the_machine() {
        let board = Board::new(Arc::new(Plain(Recorder::default())), 0).unwrap();
        board.write(acpi::PM1_CONTROL, &[0, 0x1c]);
        board.write(acpi::PM1_CONTROL + 1, &[0x20]);
        assert!(board.request().is_none());
        board.write(acpi::PM1_CONTROL, &acpi::POWER_OFF.to_le_bytes());
        assert!(matches!(board.request(), Some(Request::End(Ok(Exit::Halted)))));
    }

    #[test]
    fn a_reset_after_a_failed_test_is_an_error() {
        let board = Board::new(Arc::new(Plain(Recorder::default())), 9).unwrap();
        board.write(post::PORT, &[post::code(UartTest::Depth)]);
        assert!(board.request().is_none());
        board.write(i8042::PORT, &[i8042::RESET]);
        assert!(matches!(board.request(), Some(Request::End(Err(Error::NoUart(UartTest::Depth))))));

        board.write(post::PORT, &[0xef]);
        board.write(i8042::PORT, &[i8042::RESET]);
        assert!(matches!(board.request(), Some(Request::End(Err(Error::GuestCrashed(_))))));
    }

    #[test]
    fn f5_a_guest_boots_again_only_so_often() {
        let com1 = Arc::new(Recorder::default());
        let board = Board::new(com1.clone(), 2).unwrap();
        board.write(post::PORT, &[0x01]);
        assert_eq!([(); 3].map(|()| board.reset()), [true, true, false]);
        assert_eq!(com1.written(), [(0, b"reset".to_vec()), (0, b"reset".to_vec())]);
        board.write(i8042::PORT, &[i8042::RESET]);
        assert!(
            matches!(board.request(), Some(Request::Reset)),
            "an old code on the diagnostic port is gone"
        );
    }
}
