//! The registers and their bits, from the data sheets (PC16550D, table II; TL16C750, table 4).
//!
//! They are written anew and not taken from `vuart-16550`, because the comparison checks its constants too.

pub(crate) const RBR_THR_DLL: u8 = 0;
pub(crate) const IER_DLM: u8 = 1;
pub(crate) const IIR_FCR: u8 = 2;
pub(crate) const LCR: u8 = 3;
pub(crate) const MCR: u8 = 4;
pub(crate) const LSR: u8 = 5;
pub(crate) const MSR: u8 = 6;
pub(crate) const SCR: u8 = 7;

pub(crate) const IER_RECEIVED_DATA: u8 = 0x01;
pub(crate) const IER_THR_EMPTY: u8 = 0x02;
pub(crate) const IER_LINE_STATUS: u8 = 0x04;
pub(crate) const IER_MODEM_STATUS: u8 = 0x08;

pub(crate) const IIR_NONE: u8 = 0x01;
pub(crate) const IIR_LINE_STATUS: u8 = 0x06;
pub(crate) const IIR_RECEIVED_DATA: u8 = 0x04;
pub(crate) const IIR_TIME_OUT: u8 = 0x0C;
pub(crate) const IIR_THR_EMPTY: u8 = 0x02;
pub(crate) const IIR_MODEM_STATUS: u8 = 0x00;
pub(crate) const IIR_64_BYTES: u8 = 0x20;
pub(crate) const IIR_FIFOS: u8 = 0xC0;

pub(crate) const FCR_ENABLE: u8 = 0x01;
pub(crate) const FCR_RESET_RECEIVER: u8 = 0x02;
pub(crate) const FCR_RESET_TRANSMITTER: u8 = 0x04;
pub(crate) const FCR_DMA: u8 = 0x08;
pub(crate) const FCR_64_BYTES: u8 = 0x20;
pub(crate) const FCR_TRIGGER: u8 = 0xC0;

pub(crate) const LCR_WORD_LENGTH: u8 = 0x03;
pub(crate) const LCR_STOP: u8 = 0x04;
pub(crate) const LCR_PARITY: u8 = 0x08;
pub(crate) const LCR_BREAK: u8 = 0x40;
pub(crate) const LCR_DLAB: u8 = 0x80;

pub(crate) const MCR_DTR: u8 = 0x01;
pub(crate) const MCR_RTS: u8 = 0x02;
pub(crate) const MCR_OUT1: u8 = 0x04;
pub(crate) const MCR_OUT2: u8 = 0x08;
pub(crate) const MCR_LOOP: u8 = 0x10;
pub(crate) const MCR_AUTO_FLOW: u8 = 0x20;

pub(crate) const LSR_DATA_READY: u8 = 0x01;
pub(crate) const LSR_OVERRUN: u8 = 0x02;
pub(crate) const LSR_PARITY: u8 = 0x04;
pub(crate) const LSR_FRAMING: u8 = 0x08;
pub(crate) const LSR_BREAK: u8 = 0x10;
pub(crate) const LSR_THR_EMPTY: u8 = 0x20;
pub(crate) const LSR_TRANSMITTER_EMPTY: u8 = 0x40;
pub(crate) const LSR_ERROR_IN_FIFO: u8 = 0x80;
/// The errors that belong to a character. An overrun belongs to none.
pub(crate) const LSR_CHARACTER_ERRORS: u8 = LSR_PARITY | LSR_FRAMING | LSR_BREAK;

pub(crate) const MSR_DELTA_CTS: u8 = 0x01;
pub(crate) const MSR_DELTA_DSR: u8 = 0x02;
pub(crate) const MSR_TRAILING_EDGE_RI: u8 = 0x04;
pub(crate) const MSR_DELTA_DCD: u8 = 0x08;
pub(crate) const MSR_CTS: u8 = 0x10;
pub(crate) const MSR_DSR: u8 = 0x20;
pub(crate) const MSR_RI: u8 = 0x40;
pub(crate) const MSR_DCD: u8 = 0x80;
pub(crate) const MSR_INPUTS: u8 = 0xF0;
