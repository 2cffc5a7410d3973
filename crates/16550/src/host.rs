//! The host's side: characters and modem inputs from the host, the lines that the UART drives, and the questions that a port
//! asks between two accesses.

use crate::receiver::Received;
use crate::spec::{Ier, InterruptId, Lcr, Lsr, Mcr, Msr};
use crate::time::Time;
use crate::uart::Uart;

impl<T: Time> Uart<T> {
    /// Delivers a character from the line.
    ///
    /// Without [room](Self::room) the character is lost, and LSR.OE reports that. In loopback it is lost without a trace.
    pub fn receive(&mut self, data: u8) {
        self.receive_with_errors(data, Lsr::empty());
    }

    /// Delivers a character that has a parity error (PE), a framing error (FE) or both. Bits other than
    /// [`Lsr::CHARACTER_ERRORS`] are ignored.
    pub fn receive_with_errors(&mut self, data: u8, errors: Lsr) {
        if !self.registers.mcr.contains(Mcr::LOOP) {
            self.shift_in(Received { data, errors: errors & Lsr::CHARACTER_ERRORS });
        }
    }

    /// Delivers a break from the line: one zero character with LSR.BI (data sheet, 8.4).
    pub fn receive_break(&mut self) {
        self.receive_with_errors(0, Lsr::BI);
    }

    /// Sets the modem inputs. Bits other than [`Msr::INPUTS`] are ignored.
    pub fn set_modem_inputs(&mut self, inputs: Msr) {
        self.registers.modem.drive(inputs);
        self.update_modem_status();
    }

    /// Returns the UART with these modem inputs, as if they had been so since its reset: MSR shows no change.
    ///
    /// Use it on a UART that you have just made, for a board whose lines are not all active at power-on, or when a guest is
    /// reset while its lines stay as they are. [`set_modem_inputs`](Self::set_modem_inputs) is for changes.
    ///
    /// ```
    /// use vuart_16550::{Config, Uart, spec::{Msr, offset::MSR}};
    ///
    /// let mut uart = Uart::new(Config::new()).with_modem_inputs(Msr::CTS);
    /// assert_eq!(uart.read(MSR), 0x10); // no delta
    /// ```
    #[must_use]
    pub fn with_modem_inputs(mut self, inputs: Msr) -> Self {
        self.set_modem_inputs(inputs);
        self.registers.modem.read_status();
        self
    }

    /// Returns the level of the interrupt line (R4).
    #[inline]
    pub fn interrupt(&self) -> bool {
        self.interrupt_id() != InterruptId::None && self.registers.gate_is_open()
    }

    /// Returns the enabled interrupt of the highest priority that is pending. It is a pure function of the state (R1).
    #[inline]
    pub fn interrupt_id(&self) -> InterruptId {
        self.registers.interrupt_id(self.time.timed_out())
    }
}

impl<T> Uart<T> {
    /// Returns how many characters the host may send now without an overrun: 0 to
    /// [`receiver_capacity`](Self::receiver_capacity).
    ///
    /// In loopback it is 0, because the receiver is cut from the line (R10). With automatic flow control it is how many
    /// characters may arrive before RTS becomes inactive. While RTS is inactive it is 0, and the host keeps its characters.
    #[inline]
    pub const fn room(&self) -> u8 {
        self.registers.room()
    }

    /// Tells whether automatic flow control (of a 16750) asks the sender to wait. The RTS pin is inactive then, because of
    /// the characters in the receiver.
    #[inline]
    pub const fn holds_sender(&self) -> bool {
        self.registers.rts_held
    }

    /// Returns how many characters the receiver can hold: [`FIFO_SIZE`](crate::FIFO_SIZE), 64 in a 16750, or 1 with the
    /// FIFOs off.
    #[inline]
    pub const fn receiver_capacity(&self) -> u8 {
        self.registers.rx.capacity()
    }

    /// Returns how many characters wait in the receiver for the guest.
    #[inline]
    pub const fn received(&self) -> u8 {
        self.registers.rx.len()
    }

    /// Returns the characters that wait in the receiver for the guest, from the oldest to the newest. Each comes with its errors
    /// (PE, FE, BI), whether LSR has shown them or not.
    ///
    /// A write of FCR clears the receiver. Call this before the write if you keep what the guest has not read, to
    /// [deliver](Uart::receive_with_errors) it again:
    ///
    /// ```
    /// use vuart_16550::{Uart, spec::{Lsr, offset::{FCR, LSR, RBR}}};
    ///
    /// let mut uart = Uart::default();
    /// uart.write(FCR, 0x01);
    /// uart.receive(b'a');
    /// uart.receive_break();
    /// assert_eq!(uart.read(RBR), b'a');
    ///
    /// let unread: Vec<(u8, Lsr)> = uart.unread().collect();
    /// uart.write(FCR, 0x03);
    /// assert_eq!(uart.read(LSR), 0x60);
    ///
    /// for (data, errors) in unread {
    ///     uart.receive_with_errors(data, errors);
    /// }
    /// assert_eq!(uart.read(LSR), 0xF1); // the break
    /// ```
    pub fn unread(&self) -> impl Iterator<Item = (u8, Lsr)> {
        self.registers.rx.waiting().map(|received| (received.data, received.errors))
    }

    /// Returns the modem outputs: DTR, RTS, OUT1 and OUT2. In loopback none is active (R10). With automatic flow control,
    /// RTS is inactive while the receiver holds the sender.
    pub fn modem_outputs(&self) -> Mcr {
        if self.registers.mcr.contains(Mcr::LOOP) {
            return Mcr::empty();
        }
        self.registers.mcr_as_it_acts() & Mcr::OUTPUTS
    }

    /// Tells whether the guest sends a break (LCR.BREAK): it holds the transmit line at space. In loopback the line stays
    /// idle.
    pub fn break_out(&self) -> bool {
        self.registers.lcr.contains(Lcr::BREAK) && !self.registers.mcr.contains(Mcr::LOOP)
    }

    /// Tells whether LOOP is on. In loopback the UART neither sees nor drives the pins of the modem lines (R10).
    #[inline]
    pub const fn is_in_loopback(&self) -> bool {
        self.registers.is_in_loopback()
    }

    /// Tells whether a change of a modem input (EDSSI) would raise the interrupt line, if no other source has raised it. A
    /// driver may sleep until then.
    #[inline]
    pub const fn awaits_modem_status(&self) -> bool {
        self.registers.ier.contains(Ier::EDSSI) && !self.is_in_loopback() && self.registers.gate_is_open()
    }
}

impl Uart {
    /// Tells whether a write to offset 0 sends a character whose time of leaving the guest cannot see before its next
    /// access: it raises no interrupt (ETBEI is off) and nothing comes back (LOOP is off).
    #[inline]
    pub fn transmits_unseen(&self) -> bool {
        !self.registers.ier.contains(Ier::ETBEI)
            && !self.registers.mcr.contains(Mcr::LOOP)
            && !self.registers.dlab()
    }

    /// Tells whether the receiver is empty and the next arrival raises the interrupt line: a character with ERBFI, or a
    /// break with ELSI. A driver may sleep until then.
    #[inline]
    pub fn awaits_character(&self) -> bool {
        self.registers.rx.is_empty()
            && self.registers.ier.intersects(Ier::ERBFI.union(Ier::ELSI))
            && !self.registers.mcr.contains(Mcr::LOOP)
            && self.registers.gate_is_open()
    }

    /// Holds the transmitter: THRE and TEMT are 0, as if the line did not take the last character. A driver that honours THRE
    /// writes no more until you [release](Self::release_transmitter) it.
    ///
    /// Call it after a write to THR, which is what fills the register of a chip. Firmware waits for THRE without a limit (R9), so
    /// you must release it within a bounded time. A character that the guest writes all the same leaves at once: nothing is lost.
    /// A reset of the transmitter by FCR, and loopback, release it too. In loopback this has no effect.
    ///
    /// ```
    /// use vuart_16550::{Uart, spec::offset::{IER, IIR, LSR, THR}};
    ///
    /// let mut uart = Uart::default();
    /// uart.write(IER, 0x02);
    /// uart.write(THR, b'a');
    /// uart.hold_transmitter();
    /// assert_eq!((uart.read(LSR), uart.read(IIR)), (0x00, 0x01));
    /// uart.release_transmitter();
    /// assert_eq!((uart.read(LSR), uart.read(IIR)), (0x60, 0x02));
    /// ```
    pub const fn hold_transmitter(&mut self) {
        if !self.is_in_loopback() {
            self.time.hold(&mut self.registers);
        }
    }

    /// Ends a [hold](Self::hold_transmitter): the register is empty, and the THRE interrupt is pending (R3). Without one it has no effect.
    pub const fn release_transmitter(&mut self) {
        self.time.release(&mut self.registers);
    }

    /// Tells whether the host [holds](Self::hold_transmitter) the transmitter.
    #[inline]
    pub const fn holds_transmitter(&self) -> bool {
        self.time.is_held()
    }

    /// Tells whether the end of a [hold](Self::hold_transmitter) would raise the interrupt line, if no other source has raised it. A
    /// driver may sleep until then.
    #[inline]
    pub const fn awaits_transmitter(&self) -> bool {
        self.time.is_held() && self.registers.ier.contains(Ier::ETBEI) && self.registers.gate_is_open()
    }

    /// Tells whether a write to THR only sends its character and changes no state.
    ///
    /// LSR shows an empty transmitter before and after the write, and the THRE interrupt stays pending, whether it is enabled
    /// or not. The answer stays true until the guest writes another register or reads IIR with the THRE interrupt enabled.
    #[inline]
    pub const fn is_transparent(&self) -> bool {
        self.registers.thre_pending && !self.registers.dlab() && !self.is_in_loopback()
    }
}
