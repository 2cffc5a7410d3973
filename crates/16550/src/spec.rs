//! The registers, to be laid beside the PC16550D data sheet (section 8, table II).
//!
//! Names and bits are the data sheet's, and the TL16C750's for what only a 16750 has.

use bitflags::bitflags;

/// Register offsets. Three address lines exist, so there are eight.
pub mod offset {
    /// Receiver buffer, read, DLAB = 0.
    pub const RBR: u8 = 0;
    /// Transmitter holding register, write, DLAB = 0.
    pub const THR: u8 = 0;
    /// Divisor latch, low byte, DLAB = 1.
    pub const DLL: u8 = 0;
    /// Interrupt enable, DLAB = 0.
    pub const IER: u8 = 1;
    /// Divisor latch, high byte, DLAB = 1.
    pub const DLM: u8 = 1;
    /// Interrupt identification, read.
    pub const IIR: u8 = 2;
    /// FIFO control, write.
    pub const FCR: u8 = 2;
    /// Line control.
    pub const LCR: u8 = 3;
    /// Modem control.
    pub const MCR: u8 = 4;
    /// Line status.
    pub const LSR: u8 = 5;
    /// Modem status.
    pub const MSR: u8 = 6;
    /// Scratch.
    pub const SCR: u8 = 7;
    /// How many registers there are: the length of the port or MMIO range at register shift 0, in bytes.
    pub const COUNT: u8 = 8;
}

bitflags! {
    /// Interrupt enable register. The bits that don't exist read 0 (R5).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Ier: u8 {
        /// Received data available, and character time-out in FIFO mode.
        const ERBFI = 0x01;
        /// Transmitter holding register empty.
        const ETBEI = 0x02;
        /// Receiver line status.
        const ELSI = 0x04;
        /// Modem status.
        const EDSSI = 0x08;
        /// Sleep mode, 16750 only; stored, without effect on a machine that draws no power.
        const SLEEP = 0x10;
        /// Low-power mode, 16750 only; stored, without effect.
        const LOW_POWER = 0x20;
    }

    /// FIFO control register.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fcr: u8 {
        /// FIFO enable. The other bits act only in a write that has this one set.
        const ENABLE = 0x01;
        /// Receiver FIFO reset; clears itself.
        const RX_RESET = 0x02;
        /// Transmitter FIFO reset; clears itself.
        const TX_RESET = 0x04;
        /// DMA mode; changes only the RXRDY and TXRDY pins, which a virtual machine does not have.
        const DMA = 0x08;
        /// FIFOs of 64 bytes, 16750 only; changes only while DLAB is set.
        const FIFO_64 = 0x20;
        /// Receiver trigger level, two bits: 1, 4, 8, 14 characters; 1, 16, 32, 56 of 64.
        const TRIGGER = 0xC0;
    }

    /// Line control register. All eight bits are stored.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Lcr: u8 {
        /// Word length, two bits: 5 to 8 bits a character.
        const WORD_LENGTH = 0x03;
        /// Two stop bits (1.5 with five-bit characters).
        const STOP = 0x04;
        /// Parity enable.
        const PARITY = 0x08;
        /// Even parity.
        const EVEN = 0x10;
        /// Stick parity.
        const STICK = 0x20;
        /// Set break: the transmitter's line is held at space.
        const BREAK = 0x40;
        /// Divisor latch access: offsets 0 and 1 are DLL and DLM.
        const DLAB = 0x80;
    }

    /// Modem control register. The bits that don't exist read 0 (R5).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Mcr: u8 {
        /// Data terminal ready.
        const DTR = 0x01;
        /// Request to send.
        const RTS = 0x02;
        /// Auxiliary output 1.
        const OUT1 = 0x04;
        /// Auxiliary output 2; on PC hardware it gates the interrupt line.
        const OUT2 = 0x08;
        /// Loopback.
        const LOOP = 0x10;
        /// Automatic flow control, 16750 only: CTS holds the transmitter, and with RTS the receiver drives the RTS pin.
        const AFE = 0x20;
    }

    /// Line status register.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Lsr: u8 {
        /// Data ready.
        const DR = 0x01;
        /// Overrun error.
        const OE = 0x02;
        /// Parity error.
        const PE = 0x04;
        /// Framing error.
        const FE = 0x08;
        /// Break interrupt.
        const BI = 0x10;
        /// Transmitter holding register empty.
        const THRE = 0x20;
        /// Transmitter empty: holding register (or FIFO) and shift register.
        const TEMT = 0x40;
        /// At least one parity error, framing error or break in the receiver FIFO; 0 in 16450 mode.
        const FIFO_ERROR = 0x80;
    }

    /// Modem status register.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Msr: u8 {
        /// CTS has changed since the last read.
        const DCTS = 0x01;
        /// DSR has changed since the last read.
        const DDSR = 0x02;
        /// RI has gone from active to inactive since the last read (trailing edge).
        const TERI = 0x04;
        /// DCD has changed since the last read.
        const DDCD = 0x08;
        /// Clear to send.
        const CTS = 0x10;
        /// Data set ready.
        const DSR = 0x20;
        /// Ring indicator.
        const RI = 0x40;
        /// Data carrier detect.
        const DCD = 0x80;
    }
}

impl Ier {
    /// The bits of a 16450 and a 16550A.
    pub const STANDARD: Self = Self::ERBFI.union(Self::ETBEI).union(Self::ELSI).union(Self::EDSSI);
}

impl Mcr {
    /// The bits of a 16450 and a 16550A.
    pub const STANDARD: Self =
        Self::DTR.union(Self::RTS).union(Self::OUT1).union(Self::OUT2).union(Self::LOOP);
}

impl Lsr {
    /// What the receiver reports with one character: its parity error, its framing error, or that it is a break.
    pub const CHARACTER_ERRORS: Self = Self::PE.union(Self::FE).union(Self::BI);
    /// What raises the receiver-line-status interrupt and is cleared by reading LSR.
    pub const ERRORS: Self = Self::CHARACTER_ERRORS.union(Self::OE);
}

impl Msr {
    /// The modem inputs themselves.
    pub const INPUTS: Self = Self::CTS.union(Self::DSR).union(Self::RI).union(Self::DCD);
    /// The inputs after reset: carrier, and both sides ready.
    pub const CONNECTED: Self = Self::CTS.union(Self::DSR).union(Self::DCD);
    /// What raises the modem-status interrupt and is cleared by reading MSR.
    pub const DELTAS: Self = Self::DCTS.union(Self::DDSR).union(Self::TERI).union(Self::DDCD);
}

impl Fcr {
    /// The receiver trigger level in characters; 1 without FIFOs.
    pub const fn trigger(self) -> u8 {
        if !self.contains(Self::ENABLE) {
            return 1;
        }
        let long = self.contains(Self::FIFO_64);
        match self.bits() >> 6 {
            0 => 1,
            1 if long => 16,
            1 => 4,
            2 if long => 32,
            2 => 8,
            _ if long => 56,
            _ => 14,
        }
    }
}

/// The interrupt identification, IIR bits 3:0 (data sheet, table IV), in falling priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum InterruptId {
    /// Receiver line status: an overrun, parity or framing error, or a break.
    LineStatus = 0x06,
    /// The receiver holds data, in FIFO mode at least as many characters as the trigger level.
    ReceivedData = 0x04,
    /// FIFO mode: characters are waiting below the trigger level.
    CharacterTimeout = 0x0C,
    /// Transmitter holding register empty.
    Thre = 0x02,
    /// Modem status.
    ModemStatus = 0x00,
    /// Bit 0 is set when *no* interrupt is pending.
    None = 0x01,
}

/// IIR bits 7:6, set while the FIFOs are enabled.
pub const IIR_FIFOS_ENABLED: u8 = 0xC0;

/// IIR bit 5, set while the FIFOs of a 16750 are 64 bytes long.
pub const IIR_FIFOS_64: u8 = 0x20;
