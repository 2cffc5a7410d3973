//! The UART's registers and bits, as a driver uses them.

use crate::board::Board;
use crate::com1::COM1;

/// A register, by its offset. Where one offset has several registers, the direction or DLAB selects one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Register {
    /// Receiver buffer (read), transmitter holding register (write); with DLAB the divisor's low byte.
    RbrThrDll = 0,
    /// Interrupt enable; with DLAB the divisor's high byte.
    IerDlm = 1,
    /// Interrupt identification (read), FIFO control (write).
    IirFcr = 2,
    /// Line control.
    Lcr = 3,
    /// Modem control.
    Mcr = 4,
    /// Line status.
    Lsr = 5,
    /// Modem status.
    Msr = 6,
    /// Scratch.
    Scr = 7,
}

/// Interrupt enable: received data.
pub(super) const IER_ERBFI: u8 = 0x01;
/// Interrupt enable: transmitter holding register empty.
pub(super) const IER_ETBEI: u8 = 0x02;
/// Interrupt enable: receiver line status.
pub(super) const IER_ELSI: u8 = 0x04;
/// Interrupt enable: modem status.
pub(super) const IER_EDSSI: u8 = 0x08;

/// Interrupt identification: no interrupt pending.
pub(super) const IIR_NONE: u8 = 0x01;
/// Interrupt identification: the bits that identify the interrupt. A 16550A has exactly the following five.
pub(super) const IIR_ID: u8 = 0x0f;
/// Modem status.
pub(super) const IIR_MS: u8 = 0x00;
/// Transmitter holding register empty.
pub(super) const IIR_THRE: u8 = 0x02;
/// Received data available.
pub(super) const IIR_RDA: u8 = 0x04;
/// Receiver line status.
pub(super) const IIR_RLS: u8 = 0x06;
/// Character timeout.
pub(super) const IIR_CTI: u8 = 0x0c;

/// Line status: data ready.
pub(super) const LSR_DR: u8 = 0x01;
/// Line status: transmitter holding register empty.
pub(super) const LSR_THRE: u8 = 0x20;
/// Line status: transmitter empty, shift register included.
pub(super) const LSR_TEMT: u8 = 0x40;

/// Line control: eight bits, no parity, one stop bit.
pub(super) const LCR_8N1: u8 = 0x03;
/// Line control: offsets 0 and 1 are the divisor.
pub(super) const LCR_DLAB: u8 = 0x80;
/// FIFO control: enable.
pub(super) const FCR_ENABLE: u8 = 0x01;
/// FIFO control: enable, clear receiver and transmitter.
pub(super) const FCR_CLEAR: u8 = 0x07;
/// FIFO control: the same, with the receiver's trigger at 8.
pub(super) const FCR_RUN: u8 = 0x87;
/// Modem control: DTR, RTS, and OUT2, which on a PC gates the interrupt.
pub(super) const MCR_RUN: u8 = 0x0b;
/// Modem control: DTR and RTS, for a program without interrupts.
pub(super) const MCR_PRINT: u8 = 0x03;
/// Modem control: loopback.
pub(super) const MCR_LOOP: u8 = 0x10;
/// Modem control: loopback, with OUT2 and RTS set.
pub(super) const MCR_TEST: u8 = 0x1a;
/// The modem status that follows from it: DCD and CTS.
pub(super) const MSR_TEST: u8 = 0x90;

/// Depth of each FIFO.
pub(super) const FIFO: u8 = 16;

/// The port at COM1.
pub(super) struct Uart<'a> {
    board: &'a Board,
}

impl<'a> Uart<'a> {
    /// The port at the board's COM1.
    pub(super) fn new(board: &'a Board) -> Self {
        Self { board }
    }

    /// Makes one `in`.
    pub(super) fn read(&self, register: Register) -> u8 {
        let mut data = [0];
        self.board.read(COM1 + register as u16, &mut data);
        data[0]
    }

    /// Makes one `out`.
    pub(super) fn write(&self, register: Register, value: u8) {
        self.board.write(COM1 + register as u16, &[value]);
    }

    /// Makes one `rep outsb`.
    pub(super) fn write_string(&self, register: Register, values: &[u8]) {
        self.board.write_string(COM1 + register as u16, 1, values);
    }
}
