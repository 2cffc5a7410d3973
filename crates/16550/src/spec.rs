//! The registers and their bits, in the order of the PC16550D data sheet (section 8, table II).
//!
//! Names and bits are those of the data sheet. Bits that only a 16750 has are named as in the TL16C750 data sheet.

use bitflags::bitflags;

/// Register offsets. The chip has three address lines, so there are eight offsets.
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
    /// The number of registers, which is the length in bytes of the port or MMIO range at register shift 0.
    pub const COUNT: u8 = 8;
}

bitflags! {
    /// Interrupt enable register. Bits that do not exist read 0 (R5).
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
        /// Sleep mode, 16750 only. It is stored and has no effect, because a virtual chip draws no power.
        const SLEEP = 0x10;
        /// Low-power mode, 16750 only. It is stored and has no effect.
        const LOW_POWER = 0x20;
    }

    /// FIFO control register.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fcr: u8 {
        /// FIFO enable. The other bits act only in a write that sets this bit.
        const ENABLE = 0x01;
        /// Receiver FIFO reset. The bit clears itself.
        const RX_RESET = 0x02;
        /// Transmitter FIFO reset. The bit clears itself.
        const TX_RESET = 0x04;
        /// DMA mode. It changes only the RXRDY and TXRDY pins, which a virtual machine does not have.
        const DMA = 0x08;
        /// FIFOs of 64 bytes, 16750 only. The bit changes only while DLAB is set.
        const FIFO_64 = 0x20;
        /// Receiver trigger level, two bits: 1, 4, 8 or 14 characters of 16; 1, 16, 32 or 56 characters of 64.
        const TRIGGER = 0xC0;
    }

    /// Line control register. All eight bits are stored.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Lcr: u8 {
        /// Word length, two bits: 5 to 8 data bits per character.
        const WORD_LENGTH = 0x03;
        /// Two stop bits, or 1.5 with five data bits.
        const STOP = 0x04;
        /// Parity enable.
        const PARITY = 0x08;
        /// Even parity.
        const EVEN = 0x10;
        /// Stick parity.
        const STICK = 0x20;
        /// Set break: holds the transmit line at space.
        const BREAK = 0x40;
        /// Divisor latch access: maps DLL and DLM to offsets 0 and 1.
        const DLAB = 0x80;
    }

    /// Modem control register. Bits that do not exist read 0 (R5).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Mcr: u8 {
        /// Data terminal ready.
        const DTR = 0x01;
        /// Request to send.
        const RTS = 0x02;
        /// Auxiliary output 1.
        const OUT1 = 0x04;
        /// Auxiliary output 2. On PC hardware it gates the interrupt line.
        const OUT2 = 0x08;
        /// Loopback.
        const LOOP = 0x10;
        /// Automatic flow control, 16750 only: CTS holds the transmitter, and with RTS set the receiver drives the RTS pin.
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
        /// Transmitter empty: both the holding register (or the FIFO) and the shift register are empty.
        const TEMT = 0x40;
        /// The receiver FIFO holds at least one parity error, framing error or break. Always 0 in 16450 mode.
        const FIFO_ERROR = 0x80;
    }

    /// Modem status register.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Msr: u8 {
        /// CTS has changed since the last read of MSR.
        const DCTS = 0x01;
        /// DSR has changed since the last read of MSR.
        const DDSR = 0x02;
        /// RI has gone from active to inactive (its trailing edge) since the last read of MSR.
        const TERI = 0x04;
        /// DCD has changed since the last read of MSR.
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
    /// The bits that a 16450 and a 16550A have.
    pub const STANDARD: Self = Self::ERBFI.union(Self::ETBEI).union(Self::ELSI).union(Self::EDSSI);
}

impl Mcr {
    /// The bits that a 16450 and a 16550A have.
    pub const STANDARD: Self = Self::OUTPUTS.union(Self::LOOP);
    /// The bits that drive the modem outputs.
    pub const OUTPUTS: Self = Self::DTR.union(Self::RTS).union(Self::OUT1).union(Self::OUT2);
}

impl Lsr {
    /// The errors that belong to one character: parity error, framing error and break.
    pub const CHARACTER_ERRORS: Self = Self::PE.union(Self::FE).union(Self::BI);
    /// The bits that raise the receiver line status interrupt. Reading LSR clears them.
    pub const ERRORS: Self = Self::CHARACTER_ERRORS.union(Self::OE);
}

impl Msr {
    /// The levels of the modem inputs.
    pub const INPUTS: Self = Self::CTS.union(Self::DSR).union(Self::RI).union(Self::DCD);
    /// The modem inputs after reset: carrier detected, data set ready and clear to send.
    pub const CONNECTED: Self = Self::CTS.union(Self::DSR).union(Self::DCD);
    /// The bits that raise the modem status interrupt. Reading MSR clears them.
    pub const DELTAS: Self = Self::DCTS.union(Self::DDSR).union(Self::TERI).union(Self::DDCD);
}

impl Fcr {
    /// Returns the receiver trigger level in characters. It is 1 while the FIFOs are off.
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

/// The interrupt identification, IIR bits 3:0, from the highest to the lowest priority (data sheet, table IV).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum InterruptId {
    /// Receiver line status: an overrun, a parity error, a framing error or a break.
    LineStatus = 0x06,
    /// Received data available. In FIFO mode the receiver holds at least as many characters as the trigger level.
    ReceivedData = 0x04,
    /// Character time-out, in FIFO mode only: characters wait, but fewer than the trigger level.
    CharacterTimeout = 0x0C,
    /// Transmitter holding register empty.
    Thre = 0x02,
    /// Modem status.
    ModemStatus = 0x00,
    /// No interrupt is pending. Bit 0 is set only in this case.
    None = 0x01,
}

/// IIR bits 7:6, which are set while the FIFOs are enabled.
pub const IIR_FIFOS_ENABLED: u8 = 0xC0;

/// IIR bit 5, which is set while the FIFOs of a 16750 hold 64 bytes.
pub const IIR_FIFOS_64: u8 = 0x20;
