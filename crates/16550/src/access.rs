//! The guest's side: what each register access returns and does.

use crate::receiver::Received;
use crate::spec::{Fcr, Ier, InterruptId, Lcr, Lsr, Mcr, Msr, offset};
use crate::time::Time;
use crate::uart::Uart;

impl<T: Time> Uart<T> {
    /// Reads a register for the guest. Only the low three bits of `offset` count: a UART has three address lines.
    #[inline]
    pub fn read(&mut self, offset: u8) -> u8 {
        match offset & 7 {
            offset::DLL if self.registers.dlab() => self.registers.divisor.to_le_bytes()[0],
            offset::RBR => self.read_rbr(),
            offset::DLM if self.registers.dlab() => self.registers.divisor.to_le_bytes()[1],
            offset::IER => self.registers.ier.bits(),
            offset::IIR => self.read_iir(),
            offset::LCR => self.registers.lcr.bits(),
            offset::MCR => self.registers.mcr.bits(),
            offset::LSR => {
                let status = self.registers.rx.read_status();
                self.lsr(status)
            }
            offset::MSR => self.registers.modem.read_status().bits(),
            _ => self.registers.scr,
        }
    }

    /// Returns what [`read`](Self::read) would return, if that read would change nothing. Returns `None` if it would change
    /// the state.
    ///
    /// ```
    /// use vuart_16550::{Uart, spec::offset};
    ///
    /// let mut uart = Uart::default();
    /// assert_eq!(uart.peek(offset::LSR), Some(0x60));
    /// uart.receive(b'a');
    /// assert_eq!(uart.peek(offset::LSR), Some(0x61));
    /// assert_eq!(uart.peek(offset::RBR), None); // a read would take the character
    /// ```
    #[inline]
    pub fn peek(&self, offset: u8) -> Option<u8> {
        let registers = &self.registers;
        match offset & 7 {
            offset::DLL if registers.dlab() => Some(registers.divisor.to_le_bytes()[0]),
            offset::RBR => registers.rx.is_empty().then_some(0),
            offset::DLM if registers.dlab() => Some(registers.divisor.to_le_bytes()[1]),
            offset::IER => Some(registers.ier.bits()),
            offset::IIR => {
                let id = self.interrupt_id();
                (id != InterruptId::Thre).then(|| registers.iir(id))
            }
            offset::LCR => Some(registers.lcr.bits()),
            offset::MCR => Some(registers.mcr.bits()),
            offset::LSR => registers.rx.errors().is_empty().then(|| self.lsr(registers.rx.status())),
            offset::MSR => {
                let status = registers.modem.status();
                (!status.intersects(Msr::DELTAS)).then_some(status.bits())
            }
            _ => Some(registers.scr),
        }
    }

    /// Writes a register for the guest. In instant time, returns the character that leaves the UART because of the write. In
    /// timed mode, characters leave as [time advances](Uart::advance).
    ///
    /// A character always leaves whole. LCR's word length does not cut it, because kernels print before they set LCR, whose
    /// reset value selects five bits.
    #[inline]
    pub fn write(&mut self, offset: u8, value: u8) -> Option<u8> {
        let registers = &mut self.registers;
        match offset & 7 {
            offset::DLL if registers.dlab() => {
                let [_, high] = registers.divisor.to_le_bytes();
                registers.divisor = u16::from_le_bytes([value, high]);
            }
            offset::THR => {
                let data = self.time.transmit(registers, value)?;
                return self.leave(data);
            }
            offset::DLM if registers.dlab() => {
                let [low, _] = registers.divisor.to_le_bytes();
                registers.divisor = u16::from_le_bytes([low, value]);
            }
            offset::IER => self.write_ier(Ier::from_bits_retain(value)),
            offset::FCR => self.write_fcr(Fcr::from_bits_retain(value)),
            offset::LCR => self.write_lcr(Lcr::from_bits_retain(value)),
            offset::MCR => self.write_mcr(Mcr::from_bits_retain(value)),
            // LSR and MSR are read-only: apart from factory tests, writes are ignored (R15).
            offset::LSR | offset::MSR => {}
            _ => registers.scr = value,
        }
        None
    }

    fn read_rbr(&mut self) -> u8 {
        // An empty receiver reads 0. The chip would return the last character again, which may be part of a password.
        let data = self.registers.rx.pop().unwrap_or(0);
        self.time.taken(&self.registers);
        self.update_flow();
        data
    }

    fn read_iir(&mut self) -> u8 {
        let id = self.interrupt_id();
        if id == InterruptId::Thre {
            // Only the read that reports it clears it (R2).
            self.registers.thre_pending = false;
        }
        self.registers.iir(id)
    }

    fn lsr(&self, receiver: Lsr) -> u8 {
        let mut lsr = receiver;
        lsr.set(Lsr::THRE, self.time.holding_register_empty());
        lsr.set(Lsr::TEMT, self.time.transmitter_empty());
        lsr.bits()
    }

    fn write_ier(&mut self, value: Ier) {
        let registers = &mut self.registers;
        let ier = value & registers.config.profile.ier();
        // A rise of ETBEI while THRE is 1 raises the interrupt: FreeBSD fills the FIFO first and then waits for it (R3).
        if ier.contains(Ier::ETBEI)
            && !registers.ier.contains(Ier::ETBEI)
            && self.time.holding_register_empty()
        {
            registers.thre_pending = true;
        }
        registers.ier = ier;
    }

    fn write_fcr(&mut self, value: Fcr) {
        let registers = &mut self.registers;
        let before = registers.fcr;
        registers.fcr = registers.config.profile.fcr_after_write(before, value, registers.dlab());
        registers.rx.configure(registers.fcr);
        // Both FIFOs are cleared when they go on or off (data sheet, 8.5). Here they are also cleared when their depth
        // changes.
        let toggled = (registers.fcr ^ before).contains(Fcr::ENABLE);
        let changed = toggled || (registers.fcr ^ before).contains(Fcr::FIFO_64);
        let resets = if registers.fcr.contains(Fcr::ENABLE) { value } else { Fcr::empty() };
        if changed || resets.contains(Fcr::RX_RESET) {
            registers.rx.reset();
            self.time.taken(registers);
        }
        if changed || resets.contains(Fcr::TX_RESET) {
            self.time.reset(registers, toggled);
        }
        // The trigger level may have changed, or flow control may have ended.
        self.update_flow();
        self.time.clear_to_send(&mut self.registers);
    }

    fn write_lcr(&mut self, lcr: Lcr) {
        let break_begins = lcr.contains(Lcr::BREAK) && !self.registers.lcr.contains(Lcr::BREAK);
        self.registers.lcr = lcr;
        // A break arrives at once in timed mode too, because its length depends on when the guest ends it.
        if break_begins && self.registers.mcr.contains(Mcr::LOOP) {
            self.shift_in(Received { data: 0, errors: Lsr::BI });
        }
    }

    fn write_mcr(&mut self, value: Mcr) {
        self.registers.mcr = value & self.registers.config.profile.mcr();
        if self.registers.is_in_loopback() {
            self.time.cut_from_line(&mut self.registers);
        }
        self.update_flow();
        self.update_modem_status();
    }
}
