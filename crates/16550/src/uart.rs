//! The machine: what each access does to the state, and what the state drives.

use crate::config::Config;
use crate::modem::Modem;
use crate::receiver::{Received, Receiver, stored_fcr};
use crate::spec::{Fcr, IIR_FIFOS_64, IIR_FIFOS_ENABLED, Ier, InterruptId, Lcr, Lsr, Mcr, Msr, offset};
use crate::time::{Instant, Time};

/// Characters that the FIFOs of a 16550A hold: what a driver may write after it has seen THRE.
pub const FIFO_SIZE: u8 = 16;

/// A 16450, 16550A or 16750. See the [crate's documentation](crate) for how it is driven.
///
/// No method panics, whatever the guest does.
#[derive(Debug, Clone)]
pub struct Uart<T = Instant> {
    pub(crate) ier: Ier,
    pub(crate) fcr: Fcr,
    pub(crate) lcr: Lcr,
    pub(crate) mcr: Mcr,
    pub(crate) scr: u8,
    /// The THRE interrupt condition, apart from LSR.THRE itself (R2, R3).
    pub(crate) thre_pending: bool,
    /// Automatic flow control has made the RTS pin inactive.
    pub(crate) rts_held: bool,
    pub(crate) divisor: u16,
    pub(crate) config: Config,
    pub(crate) modem: Modem,
    pub(crate) time: T,
    pub(crate) rx: Receiver,
}

impl Default for Uart {
    fn default() -> Self {
        Self::new(Config::new())
    }
}

impl Uart {
    /// A UART after master reset, in instant time.
    ///
    /// Two values are not the data sheet's, and both are what virtual machines have always shown: the divisor is 12
    /// (9600 baud; a guest that divides by it must not divide by 0, R11, CVE-2016-8669), and OUT2 is on, so that a guest
    /// that never writes MCR gets its interrupts.
    pub const fn new(config: Config) -> Self {
        Self::with_time(config, Instant)
    }

    /// A write to THR's offset sends a character, and nothing that the guest can see before its next access depends on when:
    /// no interrupt comes of it (ETBEI), and nothing comes back (LOOP).
    #[inline]
    pub fn transmits_unseen(&self) -> bool {
        !self.ier.contains(Ier::ETBEI) && !self.mcr.contains(Mcr::LOOP) && !self.dlab()
    }

    /// The receiver is empty, and what arrives next (a character with ERBFI, a break with ELSI) raises the interrupt line:
    /// a driver may be sleeping until then.
    #[inline]
    pub fn awaits_character(&self) -> bool {
        self.rx.is_empty()
            && self.ier.intersects(Ier::ERBFI.union(Ier::ELSI))
            && !self.mcr.contains(Mcr::LOOP)
            && self.gate_is_open()
    }

    /// A write to THR changes nothing here: its character leaves, and that is all. (LSR shows an empty transmitter as before, and
    /// the THRE interrupt is pending as before, whether or not it is enabled.)
    ///
    /// It stays so until another register is written, or IIR is read with the THRE interrupt enabled.
    #[inline]
    pub const fn is_transparent(&self) -> bool {
        self.thre_pending && !self.lcr.contains(Lcr::DLAB) && !self.is_in_loopback()
    }
}

impl<T> Uart<T> {
    pub(crate) const fn with_time(config: Config, time: T) -> Self {
        Self {
            ier: Ier::empty(),
            fcr: Fcr::empty(),
            lcr: Lcr::empty(),
            mcr: Mcr::OUT2,
            scr: 0,
            thre_pending: false,
            rts_held: false,
            divisor: 12,
            config,
            modem: Modem::new(),
            time,
            rx: Receiver::new(),
        }
    }

    /// What the board has decided.
    pub const fn config(&self) -> Config {
        self.config
    }

    /// How many characters the host may send now without an overrun, 0 to [`receiver_capacity`](Self::receiver_capacity).
    ///
    /// It is 0 in loopback, where the receiver is cut from the line (R10). With automatic flow control it is how many
    /// characters may come before RTS becomes inactive, and 0 while it is: the host keeps its characters.
    #[inline]
    pub const fn room(&self) -> u8 {
        if self.mcr.contains(Mcr::LOOP) || self.rts_held {
            return 0;
        }
        let most = if self.auto_rts() { self.rts_threshold() } else { self.rx.capacity() };
        most.saturating_sub(self.rx.len())
    }

    /// Automatic flow control (a 16750's) asks the sender to wait: the RTS pin is inactive because of what the receiver has.
    #[inline]
    pub const fn holds_sender(&self) -> bool {
        self.rts_held
    }

    /// How many characters the receiver holds: [`FIFO_SIZE`], 64 of a 16750, or 1 with the FIFOs disabled.
    #[inline]
    pub const fn receiver_capacity(&self) -> u8 {
        self.rx.capacity()
    }

    /// How many characters wait in the receiver for the guest.
    #[inline]
    pub const fn received(&self) -> u8 {
        self.rx.len()
    }

    /// The modem outputs: DTR, RTS, OUT1 and OUT2; none is active in loopback (R10). With automatic flow control RTS is
    /// inactive while the receiver holds the sender.
    pub fn modem_outputs(&self) -> Mcr {
        if self.mcr.contains(Mcr::LOOP) {
            return Mcr::empty();
        }
        self.mcr_as_it_acts() & (Mcr::DTR | Mcr::RTS | Mcr::OUT1 | Mcr::OUT2)
    }

    /// The guest holds the transmitter's line at space (LCR.BREAK); in loopback the line stays idle.
    pub fn break_out(&self) -> bool {
        self.lcr.contains(Lcr::BREAK) && !self.mcr.contains(Mcr::LOOP)
    }

    /// LOOP is on: no pin of the modem lines is seen or driven (R10).
    #[inline]
    pub const fn is_in_loopback(&self) -> bool {
        self.mcr.contains(Mcr::LOOP)
    }

    /// A modem input that changes (EDSSI) raises the interrupt line, if nothing else has: a driver may be sleeping until then.
    #[inline]
    pub const fn awaits_modem_status(&self) -> bool {
        self.ier.contains(Ier::EDSSI) && !self.is_in_loopback() && self.gate_is_open()
    }

    /// Whether the board passes the interrupt on (R12).
    #[inline]
    const fn gate_is_open(&self) -> bool {
        !self.config.out2_gate || self.mcr.intersects(Mcr::OUT2.union(Mcr::LOOP))
    }

    #[inline]
    const fn dlab(&self) -> bool {
        self.lcr.contains(Lcr::DLAB)
    }

    /// Automatic flow control: a 16750's, with its FIFOs on.
    #[inline]
    pub(crate) const fn auto_flow(&self) -> bool {
        self.mcr.contains(Mcr::AFE) && self.fcr.contains(Fcr::ENABLE)
    }

    /// Automatic flow control by CTS (TL16C750 data sheet, "auto-CTS"): the transmitter begins no character.
    pub(crate) const fn cts_holds(&self) -> bool {
        self.auto_flow() && !self.modem.status().contains(Msr::CTS)
    }

    /// Automatic flow control by RTS (TL16C750 data sheet, "auto-RTS"): the receiver stops the sender at its trigger level
    /// and lets it go on when it is empty; at the highest level, when it is full, and when it is not.
    pub(crate) const fn rts_holds(&self) -> bool {
        if !self.auto_rts() {
            return false;
        }
        let waits_until_empty = self.rts_held && !self.fcr.contains(Fcr::TRIGGER) && !self.rx.is_empty();
        self.rx.len() >= self.rts_threshold() || waits_until_empty
    }

    const fn auto_rts(&self) -> bool {
        self.auto_flow() && self.mcr.contains(Mcr::RTS)
    }

    /// The number of characters at which the receiver stops the sender.
    const fn rts_threshold(&self) -> u8 {
        if self.fcr.contains(Fcr::TRIGGER) { self.rx.capacity() } else { self.fcr.trigger() }
    }

    pub(crate) fn mcr_as_it_acts(&self) -> Mcr {
        let mut mcr = self.mcr;
        mcr.set(Mcr::RTS, mcr.contains(Mcr::RTS) && !self.rts_held);
        mcr
    }
}

impl<T: Time> Uart<T> {
    /// The guest reads a register. Only the low three bits of `offset` count: a UART has three address lines.
    #[inline]
    pub fn read(&mut self, offset: u8) -> u8 {
        match offset & 7 {
            offset::RBR if self.dlab() => self.divisor.to_le_bytes()[0],
            offset::RBR => self.read_rbr(),
            offset::IER if self.dlab() => self.divisor.to_le_bytes()[1],
            offset::IER => self.ier.bits(),
            offset::IIR => self.read_iir(),
            offset::LCR => self.lcr.bits(),
            offset::MCR => self.mcr.bits(),
            offset::LSR => {
                let status = self.rx.read_status();
                self.lsr(status)
            }
            offset::MSR => self.modem.read_status().bits(),
            _ => self.scr,
        }
    }

    /// What a read would give that changes nothing; `None` for one that would change something.
    ///
    /// ```
    /// use vuart_16550::{Uart, spec::offset};
    ///
    /// let mut uart = Uart::default();
    /// assert_eq!(uart.peek(offset::LSR), Some(0x60));
    /// uart.receive(b'a');
    /// assert_eq!(uart.peek(offset::LSR), Some(0x61));
    /// assert_eq!(uart.peek(offset::RBR), None); // it takes the character
    /// ```
    #[inline]
    pub fn peek(&self, offset: u8) -> Option<u8> {
        match offset & 7 {
            offset::RBR if self.dlab() => Some(self.divisor.to_le_bytes()[0]),
            offset::RBR => self.rx.is_empty().then_some(0),
            offset::IER if self.dlab() => Some(self.divisor.to_le_bytes()[1]),
            offset::IER => Some(self.ier.bits()),
            offset::IIR => {
                let id = self.interrupt_id();
                (id != InterruptId::Thre).then(|| self.iir(id))
            }
            offset::LCR => Some(self.lcr.bits()),
            offset::MCR => Some(self.mcr.bits()),
            offset::LSR => self.rx.errors().is_empty().then(|| self.lsr(self.rx.status())),
            offset::MSR => {
                let status = self.modem.status();
                (!status.intersects(Msr::DELTAS)).then_some(status.bits())
            }
            _ => Some(self.scr),
        }
    }

    /// The guest writes a register. The answer is the character that leaves the UART because of it, in instant time; in
    /// timed mode characters leave as [time goes on](Uart::advance).
    ///
    /// A character always leaves whole: LCR's word length is not applied to it, since kernels print before anybody has
    /// set LCR, whose reset value says five bits.
    #[inline]
    pub fn write(&mut self, offset: u8, value: u8) -> Option<u8> {
        match offset & 7 {
            offset::THR if self.dlab() => self.divisor = (self.divisor & 0xFF00) | u16::from(value),
            offset::THR => return T::transmit(self, value),
            offset::IER if self.dlab() => {
                self.divisor = (self.divisor & 0x00FF) | (u16::from(value) << 8);
            }
            offset::IER => self.write_ier(Ier::from_bits_retain(value) & self.config.profile.ier()),
            offset::FCR => self.write_fcr(Fcr::from_bits_retain(value)),
            offset::LCR => self.write_lcr(Lcr::from_bits_retain(value)),
            offset::MCR => self.write_mcr(Mcr::from_bits_retain(value) & self.config.profile.mcr()),
            // LSR and MSR are read-only: factory tests aside, writes are ignored (R15).
            offset::LSR | offset::MSR => {}
            _ => self.scr = value,
        }
        None
    }

    /// A character arrives over the line.
    ///
    /// Without [room](Self::room) it is lost and LSR says so (OE); in loopback it is lost without a trace.
    pub fn receive(&mut self, data: u8) {
        self.receive_with_errors(data, Lsr::empty());
    }

    /// A character arrives with errors: PE, FE or both. Bits other than [`Lsr::CHARACTER_ERRORS`] are ignored.
    pub fn receive_with_errors(&mut self, data: u8, errors: Lsr) {
        if !self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Received { data, errors: errors & Lsr::CHARACTER_ERRORS });
        }
    }

    /// A break arrives over the line: one zero character with LSR.BI (data sheet, 8.4).
    pub fn receive_break(&mut self) {
        self.receive_with_errors(0, Lsr::BI);
    }

    /// The host drives the modem inputs. Bits other than [`Msr::INPUTS`] are ignored.
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.modem.drive(inputs);
        self.update_modem_status();
    }

    /// The level of the interrupt line (R4).
    #[inline]
    pub fn interrupt(&self) -> bool {
        self.interrupt_id() != InterruptId::None && self.gate_is_open()
    }

    /// The highest pending and enabled interrupt: a pure function of the state (R1).
    #[inline]
    pub fn interrupt_id(&self) -> InterruptId {
        if self.ier.is_empty() {
            return InterruptId::None;
        }
        if self.ier.contains(Ier::ELSI) && !self.rx.errors().is_empty() {
            return InterruptId::LineStatus;
        }
        // Never with an empty FIFO (R14).
        if self.ier.contains(Ier::ERBFI) && !self.rx.is_empty() {
            if self.rx.is_at_trigger() {
                return InterruptId::ReceivedData;
            }
            if self.time.timed_out() {
                return InterruptId::CharacterTimeout;
            }
        }
        if self.ier.contains(Ier::ETBEI) && self.thre_pending {
            return InterruptId::Thre;
        }
        if self.ier.contains(Ier::EDSSI) && self.modem.status().intersects(self.announced_deltas()) {
            return InterruptId::ModemStatus;
        }
        InterruptId::None
    }

    /// With automatic flow control nobody is told of CTS: the transmitter minds it (TL16C750 data sheet, "auto-CTS").
    const fn announced_deltas(&self) -> Msr {
        if self.auto_flow() { Msr::DELTAS.difference(Msr::DCTS) } else { Msr::DELTAS }
    }

    fn read_rbr(&mut self) -> u8 {
        // An empty receiver reads 0, not the last character as the chip would: that may have been part of a password.
        let data = self.rx.pop().unwrap_or(0);
        T::taken(self);
        self.update_flow();
        data
    }

    fn read_iir(&mut self) -> u8 {
        let id = self.interrupt_id();
        if id == InterruptId::Thre {
            // Only the read that reports it clears it (R2).
            self.thre_pending = false;
        }
        self.iir(id)
    }

    fn iir(&self, id: InterruptId) -> u8 {
        let mut iir = id as u8;
        if self.fcr.contains(Fcr::ENABLE) {
            iir |= IIR_FIFOS_ENABLED;
        }
        if self.fcr.contains(Fcr::FIFO_64) {
            iir |= IIR_FIFOS_64;
        }
        iir
    }

    fn lsr(&self, receiver: Lsr) -> u8 {
        let mut lsr = receiver;
        lsr.set(Lsr::THRE, self.time.holding_register_empty());
        lsr.set(Lsr::TEMT, self.time.transmitter_empty());
        lsr.bits()
    }

    fn write_ier(&mut self, ier: Ier) {
        // Enabling it while THRE is 1 raises it: FreeBSD fills the FIFO first and then waits for this (R3).
        if ier.contains(Ier::ETBEI) && !self.ier.contains(Ier::ETBEI) && self.time.holding_register_empty() {
            self.thre_pending = true;
        }
        self.ier = ier;
    }

    fn write_fcr(&mut self, value: Fcr) {
        let before = self.fcr;
        self.fcr = stored_fcr(self.config.profile, before, value, self.dlab());
        self.rx.configure(self.fcr);
        // Both FIFOs are cleared when they go on or off (data sheet, 8.5), and here when their depth changes.
        let toggled = (self.fcr ^ before).contains(Fcr::ENABLE);
        let changed = toggled || (self.fcr ^ before).contains(Fcr::FIFO_64);
        let resets = if self.fcr.contains(Fcr::ENABLE) { value } else { Fcr::empty() };
        if changed || resets.contains(Fcr::RX_RESET) {
            self.rx.reset();
            T::taken(self);
        }
        if changed || resets.contains(Fcr::TX_RESET) {
            T::reset(self, toggled);
        }
        // The trigger level may be another, or there is no flow control any more.
        self.update_flow();
        T::clear_to_send(self);
    }

    fn write_lcr(&mut self, lcr: Lcr) {
        // In timed mode, too, it arrives at once: how long a break is, is up to who ends it.
        let break_begins = lcr.contains(Lcr::BREAK) && !self.lcr.contains(Lcr::BREAK);
        self.lcr = lcr;
        if break_begins && self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Received { data: 0, errors: Lsr::BI });
        }
    }

    fn write_mcr(&mut self, mcr: Mcr) {
        self.mcr = mcr;
        self.update_flow();
        self.update_modem_status();
    }

    /// The transmitter is done with a character: it leaves, or goes round in loopback (R10).
    #[inline]
    pub(crate) fn leave(&mut self, data: u8) -> Option<u8> {
        if self.mcr.contains(Mcr::LOOP) {
            self.shift_in(Received { data, errors: Lsr::empty() });
            return None;
        }
        Some(data)
    }

    fn shift_in(&mut self, character: Received) {
        self.rx.shift_in(character);
        T::arrived(self);
        self.update_flow();
    }

    fn update_flow(&mut self) {
        let held = self.rts_holds();
        if held != self.rts_held {
            self.rts_held = held;
            self.update_modem_status();
        }
    }

    fn update_modem_status(&mut self) {
        self.modem.update(self.mcr_as_it_acts());
        T::clear_to_send(self);
    }
}
