//! The UART at COM1, as a driver reaches it, and the values that the drivers write.

use vuart::uart::spec::{Fcr, Lcr, Lsr, Mcr, Msr};

use crate::board::Board;
use crate::com1::COM1;

/// Eight bits, no parity, one stop bit.
pub(super) const LCR_8N1: u8 = Lcr::WORD_LENGTH.bits();
/// Offsets 0 and 1 are the divisor.
pub(super) const LCR_DLAB: u8 = Lcr::DLAB.bits();
/// FIFOs on, receiver and transmitter cleared.
pub(super) const FCR_CLEAR: u8 = Fcr::ENABLE.union(Fcr::RX_RESET).union(Fcr::TX_RESET).bits();
/// The same, with the receiver's trigger at 8.
pub(super) const FCR_RUN: u8 = FCR_CLEAR | 0x80;
/// DTR and RTS, for a program without interrupts.
pub(super) const MCR_PRINT: u8 = Mcr::DTR.union(Mcr::RTS).bits();
/// The same, with OUT2, which on a PC gates the interrupt.
pub(super) const MCR_RUN: u8 = MCR_PRINT | Mcr::OUT2.bits();
/// Loopback, with OUT2 and RTS set.
pub(super) const MCR_TEST: u8 = Mcr::LOOP.union(Mcr::OUT2).union(Mcr::RTS).bits();
/// The modem status that follows from it.
pub(super) const MSR_TEST: u8 = Msr::DCD.union(Msr::CTS).bits();

/// The port at COM1.
pub(super) struct Uart<'a>(pub(super) &'a Board);

impl Uart<'_> {
    /// Makes one `in`.
    pub(super) fn read(&self, register: u8) -> u8 {
        let mut data = [0];
        self.0.read(COM1 + u16::from(register), &mut data);
        data[0]
    }

    /// Reads the line status.
    pub(super) fn lsr(&self) -> Lsr {
        Lsr::from_bits_retain(self.read(vuart::uart::spec::offset::LSR))
    }

    /// Makes one `out`.
    pub(super) fn write(&self, register: u8, value: u8) {
        self.0.write(COM1 + u16::from(register), &[value]);
    }
}
