//! A driver that does what Linux does about modem lines.

use vm_superio::Trigger;
use vuart::SerialPort;
use vuart::uart::spec::{Ier, Lsr, Msr, offset::*};

/// IER of a port that is open, with and without CLOCAL.
pub(crate) const CLOCAL: u8 = 0x05;
pub(crate) const LISTENS: u8 = 0x0D;

/// The activity of [`Linux::meanwhile`] that probes.
pub(crate) const PROBE: u8 = 1;

pub(crate) struct Linux<T> {
    pub(crate) port: SerialPort<T>,
    pub(crate) ier: u8,
    pub(crate) hang_ups: usize,
    /// The number of times that DCD has come back.
    pub(crate) carriers: usize,
    /// The number of bytes that a process has written and the driver has not sent.
    pub(crate) unsent: usize,
    pub(crate) received: Vec<u8>,
}

impl<T: Trigger> Linux<T> {
    pub(crate) fn open(port: SerialPort<T>, ier: u8) -> Self {
        let mut linux = Self { port, ier, hang_ups: 0, carriers: 0, unsent: 0, received: Vec::new() };
        linux.port.write_register(FCR, 0x87);
        linux.port.write_register(LCR, 0x13);
        for register in [LSR, RBR, IIR, MSR] {
            linux.port.read_register(register);
        }
        linux.port.write_register(MCR, 0x0B);
        linux.port.write_register(IER, ier);
        linux
    }

    pub(crate) fn set_ier(&mut self, ier: u8) {
        self.ier = ier;
        self.port.write_register(IER, ier);
    }

    pub(crate) fn modem_status(&mut self) {
        let status = Msr::from_bits_retain(self.port.read_register(MSR));
        assert!(status.contains(Msr::CTS) && !status.contains(Msr::DCTS), "writers would stop: {status:?}");
        if status.contains(Msr::DDCD) && Ier::from_bits_retain(self.ier).contains(Ier::EDSSI) {
            if status.contains(Msr::DCD) {
                self.carriers += 1;
            } else {
                self.hang_ups += 1;
            }
        }
    }

    /// The interrupt handler.
    pub(crate) fn interrupted(&mut self) {
        while self.port.read_register(IIR) & 0x01 == 0 {
            let status = Lsr::from_bits_retain(self.port.read_register(LSR));
            if status.contains(Lsr::DR) {
                while self.port.read_register(LSR) & Lsr::DR.bits() != 0 {
                    self.received.push(self.port.read_register(RBR));
                }
            }
            self.modem_status();
            if status.contains(Lsr::THRE) && Ier::from_bits_retain(self.ier).contains(Ier::ETBEI) {
                for _ in 0..self.unsent.min(16) {
                    self.port.write_register(THR, b'.');
                    self.unsent -= 1;
                }
                if self.unsent == 0 {
                    self.set_ier(self.ier & !Ier::ETBEI.bits());
                }
            }
        }
    }

    /// A process writes to the port.
    pub(crate) fn print(&mut self, count: usize) {
        self.unsent += count;
        self.set_ier(self.ier | Ier::ETBEI.bits());
    }

    /// The kernel writes to its console.
    pub(crate) fn printk(&mut self) {
        self.port.write_register(IER, 0);
        self.port.write_register(THR, b'p');
        self.port.write_register(IER, self.ier);
    }

    /// The kernel looks for a UART that it knows already.
    pub(crate) fn probe(&mut self) {
        self.port.write_register(MCR, 0x1A);
        assert_eq!(self.port.read_register(MSR) & 0xF0, 0x90);
        self.port.write_register(MCR, 0x0B);
    }

    /// OUT2 is off for a moment.
    pub(crate) fn close_gate(&mut self) {
        self.port.write_register(MCR, 0x03);
        self.port.write_register(MCR, 0x0B);
    }

    pub(crate) fn meanwhile(&mut self, what: u8) {
        match what % 6 {
            0 => self.printk(),
            PROBE => self.probe(),
            2 => self.close_gate(),
            3 => self.print(20),
            4 => self.modem_status(),
            _ => {}
        }
    }
}
