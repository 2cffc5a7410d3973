//! The machine: what each access does to the state, and what the state drives.

use crate::fifo::{Character, Fifo};
use crate::spec::{Fcr, IIR_FIFOS_ENABLED, Ier, InterruptId, Lcr, Lsr, Mcr, Msr, offset};

/// Characters that the receiver FIFO holds, and that a driver may write after it has seen THRE.
pub const FIFO_SIZE: u8 = 16;

/// What a board decides about its UART.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The interrupt line needs MCR.OUT2, as on every PC board; true unless said otherwise. Loopback is exempt: drivers
    /// test their interrupts there, where the OUT2 pin itself is idle (R12).
    pub out2_gate: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// A PC's COM port.
    pub const fn new() -> Self {
        Self { out2_gate: true }
    }

    /// The same, with or without the OUT2 gate.
    #[must_use]
    pub const fn with_out2_gate(self, out2_gate: bool) -> Self {
        Self { out2_gate }
    }
}

/// A 16550A. See the [crate's documentation](crate) for how it is driven.
///
/// No method panics, whatever the guest does.
#[derive(Debug, Clone)]
pub struct Uart {
    ier: Ier,
    fcr: Fcr,
    lcr: Lcr,
    mcr: Mcr,
    /// OE, PE, FE, BI: set by the receiver, cleared by an LSR read (R7).
    line_errors: Lsr,
    /// What MSR reads: inputs and deltas.
    msr: Msr,
    /// What the host drives, seen by the guest unless LOOP is on.
    modem_inputs: Msr,
    scr: u8,
    divisor: u16,
    /// The THRE interrupt condition, apart from LSR.THRE itself (R2, R3).
    thre_pending: bool,
    out2_gate: bool,
    rx: Fifo,
}

impl Default for Uart {
    fn default() -> Self {
        Self::new(Config::new())
    }
}

impl Uart {
    /// A UART after master reset.
    ///
    /// Two values are not the data sheet's, and both are what virtual machines have always shown: the divisor is 12
    /// (9600 baud; a guest that divides by it must not divide by 0, R11, CVE-2016-8669), and OUT2 is on, so that a guest
    /// that never writes MCR gets its interrupts.
    pub const fn new(config: Config) -> Self {
        let carrier = Msr::CTS.union(Msr::DSR).union(Msr::DCD);
        Self {
            ier: Ier::empty(),
            fcr: Fcr::empty(),
            lcr: Lcr::empty(),
            mcr: Mcr::OUT2,
            line_errors: Lsr::empty(),
            msr: carrier,
            modem_inputs: carrier,
            scr: 0,
            divisor: 12,
            thre_pending: false,
            out2_gate: config.out2_gate,
            rx: Fifo::new(),
        }
    }

    /// The guest reads a register. Only the low three bits of `offset` count: a UART has three address lines.
    pub fn read(&mut self, offset: u8) -> u8 {
        match offset & 7 {
            offset::RBR if self.dlab() => self.divisor.to_le_bytes()[0],
            offset::RBR => self.read_rbr(),
            offset::IER if self.dlab() => self.divisor.to_le_bytes()[1],
            offset::IER => self.ier.bits(),
            offset::IIR => self.read_iir(),
            offset::LCR => self.lcr.bits(),
            offset::MCR => self.mcr.bits(),
            offset::LSR => self.read_lsr(),
            offset::MSR => self.read_msr(),
            _ => self.scr,
        }
    }

    /// The guest writes a register. The answer is the character that leaves the UART because of it.
    ///
    /// A character always leaves whole: LCR's word length is not applied to it, since kernels print before anybody has
    /// set LCR, whose reset value says five bits.
    pub fn write(&mut self, offset: u8, value: u8) -> Option<u8> {
        match offset & 7 {
            offset::THR if self.dlab() => {
                self.divisor = (self.divisor & 0xFF00) | u16::from(value);
                None
            }
            offset::THR => self.write_thr(value),
            offset::IER if self.dlab() => {
                self.divisor = (self.divisor & 0x00FF) | (u16::from(value) << 8);
                None
            }
            offset::IER => {
                self.write_ier(Ier::from_bits_truncate(value));
                None
            }
            offset::FCR => {
                self.write_fcr(Fcr::from_bits_retain(value));
                None
            }
            offset::LCR => {
                self.write_lcr(Lcr::from_bits_retain(value));
                None
            }
            offset::MCR => {
                self.mcr = Mcr::from_bits_truncate(value);
                self.update_modem_status();
                None
            }
            // LSR and MSR are read-only: factory tests aside, writes are ignored (R15).
            offset::LSR | offset::MSR => None,
            _ => {
                self.scr = value;
                None
            }
        }
    }

    /// How many characters the host may send now without an overrun, 0 to [`FIFO_SIZE`].
    ///
    /// It is 0 in loopback, where the receiver is cut from the line (R10): the host holds its characters back.
    pub fn room(&self) -> u8 {
        if self.mcr.contains(Mcr::LOOP) { 0 } else { self.receiver_capacity() - self.rx.len() }
    }

    /// How many characters the receiver holds: [`FIFO_SIZE`], or 1 with the FIFOs disabled.
    pub const fn receiver_capacity(&self) -> u8 {
        if self.fifo_mode() { FIFO_SIZE } else { 1 }
    }

    /// How many characters wait in the receiver for the guest.
    pub const fn received(&self) -> u8 {
        self.rx.len()
    }

    /// A character arrives over the line.
    ///
    /// Without [room](Self::room) it is lost and LSR says so (OE); in loopback it is lost without a trace.
    pub fn receive(&mut self, data: u8) {
        if !self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Character { data, errors: Lsr::empty() });
        }
    }

    /// A break arrives over the line: one zero character with LSR.BI (data sheet, 8.6.3).
    pub fn receive_break(&mut self) {
        if !self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Character { data: 0, errors: Lsr::BI });
        }
    }

    /// The host drives the modem inputs. Bits other than [`Msr::INPUTS`] are ignored.
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.modem_inputs = inputs.intersection(Msr::INPUTS);
        self.update_modem_status();
    }

    /// The modem outputs: DTR, RTS, OUT1 and OUT2; none is active in loopback (R10).
    pub fn modem_outputs(&self) -> Mcr {
        if self.mcr.contains(Mcr::LOOP) { Mcr::empty() } else { self.mcr }
    }

    /// The guest holds the transmitter's line at space (LCR.BREAK); in loopback the line stays idle.
    pub fn break_out(&self) -> bool {
        self.lcr.contains(Lcr::BREAK) && !self.mcr.contains(Mcr::LOOP)
    }

    /// The level of the interrupt line (R4).
    pub fn interrupt(&self) -> bool {
        self.interrupt_id() != InterruptId::None && self.gate_is_open()
    }

    /// The receiver is empty, and what arrives next (a character with ERBFI, a break with ELSI) raises the interrupt line:
    /// a driver may be sleeping until then.
    pub fn awaits_character(&self) -> bool {
        self.rx.len() == 0
            && self.ier.intersects(Ier::ERBFI.union(Ier::ELSI))
            && !self.mcr.contains(Mcr::LOOP)
            && self.gate_is_open()
    }

    /// The highest pending and enabled interrupt: a pure function of the state (R1).
    pub fn interrupt_id(&self) -> InterruptId {
        if self.ier.is_empty() {
            return InterruptId::None;
        }
        if self.ier.contains(Ier::ELSI) && !self.line_errors.is_empty() {
            return InterruptId::LineStatus;
        }
        if self.ier.contains(Ier::ERBFI) && self.rx.len() != 0 {
            // Time is instant: four character times have always passed, so what waits below the trigger level is
            // announced at once. Never with an empty FIFO (R14).
            return if self.rx.len() >= self.rx_trigger() {
                InterruptId::ReceivedData
            } else {
                InterruptId::CharacterTimeout
            };
        }
        if self.ier.contains(Ier::ETBEI) && self.thre_pending {
            return InterruptId::Thre;
        }
        if self.ier.contains(Ier::EDSSI) && self.msr.intersects(Msr::DELTAS) {
            return InterruptId::ModemStatus;
        }
        InterruptId::None
    }

    /// Whether the board passes the interrupt on (R12).
    const fn gate_is_open(&self) -> bool {
        !self.out2_gate || self.mcr.intersects(Mcr::OUT2.union(Mcr::LOOP))
    }

    const fn dlab(&self) -> bool {
        self.lcr.contains(Lcr::DLAB)
    }

    const fn fifo_mode(&self) -> bool {
        self.fcr.contains(Fcr::ENABLE)
    }

    const fn rx_trigger(&self) -> u8 {
        if self.fifo_mode() { self.fcr.trigger() } else { 1 }
    }

    fn read_rbr(&mut self) -> u8 {
        // An empty receiver reads 0, not the last character as the chip would: that may have been part of a password.
        let data = self.rx.pop().unwrap_or(0);
        self.reveal_errors();
        data
    }

    fn read_iir(&mut self) -> u8 {
        let id = self.interrupt_id();
        if id == InterruptId::Thre {
            // Only the read that reports it clears it (R2).
            self.thre_pending = false;
        }
        id as u8 | if self.fifo_mode() { IIR_FIFOS_ENABLED } else { 0 }
    }

    fn read_lsr(&mut self) -> u8 {
        let mut lsr = Lsr::THRE | Lsr::TEMT | self.line_errors;
        lsr.set(Lsr::DR, self.rx.len() != 0);
        lsr.set(
            Lsr::FIFO_ERROR,
            self.fifo_mode() && (self.line_errors.intersects(Lsr::CHARACTER_ERRORS) || self.rx.has_errors()),
        );
        self.line_errors = Lsr::empty();
        lsr.bits()
    }

    fn read_msr(&mut self) -> u8 {
        let msr = self.msr;
        self.msr.remove(Msr::DELTAS);
        msr.bits()
    }

    fn write_thr(&mut self, value: u8) -> Option<u8> {
        // The write empties the condition and the character that leaves at once sets it again (R2, R3).
        self.thre_pending = true;
        if self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Character { data: value, errors: Lsr::empty() });
            return None;
        }
        Some(value)
    }

    fn write_ier(&mut self, ier: Ier) {
        // Enabling it while THRE is 1 raises it: FreeBSD fills the FIFO first and then waits for this (R3).
        if ier.contains(Ier::ETBEI) && !self.ier.contains(Ier::ETBEI) {
            self.thre_pending = true;
        }
        self.ier = ier;
    }

    fn write_fcr(&mut self, fcr: Fcr) {
        let toggled = (fcr ^ self.fcr).contains(Fcr::ENABLE);
        let enabled = fcr.contains(Fcr::ENABLE);
        if toggled || (enabled && fcr.contains(Fcr::RX_RESET)) {
            self.rx.clear();
            self.line_errors.remove(Lsr::CHARACTER_ERRORS);
        }
        if toggled || (enabled && fcr.contains(Fcr::TX_RESET)) {
            // What was written has left already, so nothing that the guest believes sent is dropped (R6).
            self.thre_pending = true;
        }
        // With ENABLE clear the other bits are not programmed (data sheet, 8.5). The resets clear themselves.
        self.fcr = if enabled { fcr & (Fcr::ENABLE | Fcr::DMA | Fcr::TRIGGER) } else { Fcr::empty() };
    }

    fn write_lcr(&mut self, lcr: Lcr) {
        let break_begins = lcr.contains(Lcr::BREAK) && !self.lcr.contains(Lcr::BREAK);
        self.lcr = lcr;
        if break_begins && self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Character { data: 0, errors: Lsr::BI });
        }
    }

    /// The receiver's shift register is full and wants to pass its character on.
    fn shift_in(&mut self, character: Character) {
        if self.rx.len() == self.receiver_capacity() {
            self.line_errors.insert(Lsr::OE);
            if self.fifo_mode() {
                // The FIFO keeps what it has; the shift register is overwritten (R7).
                return;
            }
            // In 16450 mode it is RBR that is overwritten.
            self.rx.clear();
        }
        self.rx.push(character);
        self.reveal_errors();
    }

    /// Shows the errors of the character that is now at the top of the FIFO.
    fn reveal_errors(&mut self) {
        self.line_errors.insert(self.rx.take_top_errors());
    }

    /// MSR follows the host's lines, or in loopback our own outputs (R10), and keeps the changes.
    fn update_modem_status(&mut self) {
        let now = if self.mcr.contains(Mcr::LOOP) { looped_back(self.mcr) } else { self.modem_inputs };
        let before = self.msr & Msr::INPUTS;
        let changed = before ^ now;
        let mut deltas = self.msr & Msr::DELTAS;
        deltas.set(Msr::DCTS, deltas.contains(Msr::DCTS) || changed.contains(Msr::CTS));
        deltas.set(Msr::DDSR, deltas.contains(Msr::DDSR) || changed.contains(Msr::DSR));
        deltas.set(Msr::DDCD, deltas.contains(Msr::DDCD) || changed.contains(Msr::DCD));
        // Ring tells only its end.
        deltas.set(Msr::TERI, deltas.contains(Msr::TERI) || (changed & before).contains(Msr::RI));
        self.msr = now | deltas;
    }
}

/// RTS, DTR, OUT1, OUT2 as CTS, DSR, RI, DCD.
fn looped_back(mcr: Mcr) -> Msr {
    let mut msr = Msr::empty();
    msr.set(Msr::CTS, mcr.contains(Mcr::RTS));
    msr.set(Msr::DSR, mcr.contains(Mcr::DTR));
    msr.set(Msr::RI, mcr.contains(Mcr::OUT1));
    msr.set(Msr::DCD, mcr.contains(Mcr::OUT2));
    msr
}
