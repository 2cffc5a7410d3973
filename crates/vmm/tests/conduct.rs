//! The driver behaves as a 16550A requires: a referee between it and the port checks each access.

mod common;

use std::sync::{Arc, Mutex};

use common::{PROMPT, Port, Rig, on_each_engine, port};
use vm_device::MutDevicePio;
use vm_device::bus::{PioAddress, PioAddressOffset};
use vuart_vmm::Plain;

const DLAB: u8 = 0x80;

/// Forwards accesses and checks them.
struct Referee {
    port: Port,
    lcr: u8,
    ier: u8,
    /// How many characters the transmitter takes, as far as the driver knows.
    room: usize,
    /// Whether LSR has shown a received character.
    data_ready: bool,
    seen: Seen,
}

/// What the driver has done.
#[derive(Debug, Default, Clone)]
struct Seen {
    faults: Vec<String>,
    longest_burst: usize,
    held_back: usize,
    let_go: usize,
    interrupts: [usize; 16],
}

impl Referee {
    fn new(port: Port) -> Self {
        Self { port, lcr: 0, ier: 0, room: 0, data_ready: false, seen: Seen::default() }
    }

    fn check(&mut self, right: bool, what: &str) {
        if !right {
            self.seen.faults.push(what.to_owned());
        }
    }
}

impl MutDevicePio for Referee {
    fn pio_read(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &mut [u8]) {
        assert_eq!(data.len(), 1, "a register is one byte");
        let value = self.port.lock().unwrap().read_register(u8::try_from(offset).unwrap());
        data[0] = value;
        match offset {
            0 if self.lcr & DLAB == 0 => {
                let ready = std::mem::take(&mut self.data_ready);
                self.check(ready, "read RBR without having seen LSR.DR");
            }
            2 if value & 1 == 0 => {
                self.seen.interrupts[usize::from(value & 0x0f)] += 1;
                if value & 0x0f == 0x02 {
                    self.room = 16;
                }
            }
            5 => {
                self.data_ready = value & 0x01 != 0;
                if value & 0x20 != 0 {
                    self.room = 16;
                }
            }
            _ => {}
        }
    }

    fn pio_write(&mut self, _base: PioAddress, offset: PioAddressOffset, data: &[u8]) {
        assert_eq!(data.len(), 1, "a register is one byte");
        let value = data[0];
        match offset {
            0 if self.lcr & DLAB == 0 => {
                self.check(self.room > 0, "wrote THR more often than the transmitter has room for");
                self.room = self.room.saturating_sub(1);
                self.seen.longest_burst = self.seen.longest_burst.max(16 - self.room);
            }
            0 => self.check(value == 1, "another divisor than 1"),
            1 if self.lcr & DLAB == 0 => {
                // Only while the driver runs. Detection writes 0 and 0x0f.
                if self.ier & 0x0d == 0x0d {
                    self.seen.held_back += usize::from(value & 0x0d == 0x0c);
                } else if self.ier & 0x0d == 0x0c {
                    self.seen.let_go += usize::from(value & 0x0d == 0x0d);
                }
                self.ier = value;
            }
            3 => self.lcr = value,
            _ => {}
        }
        self.port.lock().unwrap().write_register(u8::try_from(offset).unwrap(), value);
    }
}

#[test]
fn a_busy_driver_behaves_as_a_16550a_requires() {
    on_each_engine(|engine| {
        let (port, irq) = port();
        let referee = Arc::new(Mutex::new(Referee::new(port.clone())));
        let mut rig = Rig::boot_with(engine, &port, Arc::new(Plain(referee.clone())), irq);
        rig.wait_for(PROMPT);
        rig.type_in(b"print 300\r");
        rig.wait_for(b"line 00001: ");
        // More than the busy driver's ring holds.
        rig.type_in([vec![b'x'; 5000], b"\x15regs\recho done\r".to_vec()].concat());
        rig.wait_for(b"\r\ndone\r\n> ");
        rig.type_in(b"halt\r");
        rig.join().unwrap();

        let seen = referee.lock().unwrap().seen.clone();
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        assert_eq!(seen.longest_burst, 16, "it does not use the FIFO");
        assert!(seen.held_back > 0, "it has not held input back: {seen:?}");
        assert_eq!(seen.held_back, seen.let_go, "it has not taken up again what it held back: {seen:?}");
        let [rda, cti, thre] = [0x04, 0x0c, 0x02].map(|id: usize| seen.interrupts[id]);
        assert!(rda + cti > 0 && thre > 0, "it does not live by interrupts: {seen:?}");
    });
}
