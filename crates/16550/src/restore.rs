//! Saving a UART's state, and making a UART from a state that may come from an untrusted file (S4).

use crate::config::Config;
use crate::modem::Modem;
use crate::receiver::{Received, Receiver};
use crate::spec::{Fcr, Ier, Lcr, Lsr, Mcr, Msr, offset};
use crate::state::{CharacterState, RestoreError, UartState, UartStateV1, collect, fits};
use crate::time::Time;
use crate::uart::Uart;

impl<T: Time> Uart<T> {
    /// Returns the present state.
    pub fn state(&self) -> UartState {
        let registers = &self.registers;
        let character =
            |received: Received| CharacterState { data: received.data, errors: received.errors.bits() };
        UartState::V1(UartStateV1 {
            profile: registers.config.profile,
            out2_gate: registers.config.out2_gate,
            ier: registers.ier.bits(),
            fcr: registers.fcr.bits(),
            lcr: registers.lcr.bits(),
            mcr: registers.mcr.bits(),
            scr: registers.scr,
            divisor: registers.divisor,
            line_errors: registers.rx.errors().bits(),
            modem_inputs: registers.modem.pins().bits(),
            modem_deltas: (registers.modem.status() & Msr::DELTAS).bits(),
            thre_pending: self.time.thre_pending(registers),
            rts_held: registers.rts_held,
            receiver: collect(registers.rx.waiting().map(character)),
            timed: self.time.save(registers.config.clock),
        })
    }

    /// Makes a UART from a state, with the chip and the board settings of that state.
    ///
    /// In instant time the clock becomes a PC's, because nothing depends on it.
    ///
    /// The level of the interrupt line is part of the state. An adapter that turns the level into edges must raise an edge
    /// if [`interrupt`](Self::interrupt) is true after the restore: the edge before went to another machine (R4, S19).
    ///
    /// The state is checked. A state that no UART can be in is refused.
    ///
    /// ```
    /// use vuart_16550::{Uart, UartState, spec::offset::*};
    ///
    /// let mut uart = Uart::default();
    /// uart.write(IER, 0x02);
    /// let state: UartState = uart.state(); // the feature `serde` serialises it
    ///
    /// let mut elsewhere: Uart = Uart::restore(&state)?;
    /// assert!(elsewhere.interrupt()); // the guest waits for it
    /// assert_eq!(elsewhere.read(IIR), 0x02);
    /// # Ok::<(), vuart_16550::RestoreError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if no UART can be in that state, or only a UART in the other kind of time.
    pub fn restore(state: &UartState) -> Result<Self, RestoreError> {
        let UartState::V1(state) = state;
        let (mcr, fcr) = state.check_registers()?;
        let (time, clock) = T::load(state, fcr)?;
        let config =
            Config::new().with_profile(state.profile).with_out2_gate(state.out2_gate).with_clock(clock);
        let mut uart = Self::with_time(config, time);
        let registers = &mut uart.registers;
        registers.ier = Ier::from_bits_retain(state.ier);
        registers.fcr = fcr;
        registers.lcr = Lcr::from_bits_retain(state.lcr);
        registers.mcr = mcr;
        registers.scr = state.scr;
        registers.divisor = state.divisor;
        registers.thre_pending = state.thre_pending;
        let received = |character: &CharacterState| Received {
            data: character.data,
            errors: Lsr::from_bits_retain(character.errors),
        };
        registers.rx =
            Receiver::restored(Lsr::from_bits_retain(state.line_errors), state.receiver.iter().map(received));
        registers.rx.configure(fcr);
        registers.rts_held = state.rts_held;
        if registers.rts_holds() != state.rts_held {
            return Err(RestoreError::Contradiction(
                "automatic flow control does not match the characters in the receiver",
            ));
        }
        let pins = Msr::from_bits_retain(state.modem_inputs);
        let seen = Modem::seen(pins, registers.mcr_as_it_acts());
        registers.modem = Modem::restored(pins, Msr::from_bits_retain(state.modem_deltas), seen);
        // Firmware would wait for such a transmitter for ever (R9).
        if uart.time.is_stuck(uart.registers.cts_holds()) {
            return Err(RestoreError::Contradiction(
                "characters wait in a transmitter that never starts them",
            ));
        }
        Ok(uart)
    }
}

impl UartStateV1 {
    /// Checks the registers and the receiver. Returns MCR and FCR.
    fn check_registers(&self) -> Result<(Mcr, Fcr), RestoreError> {
        let profile = self.profile;
        let bad = |register, value| Err(RestoreError::Register { register, value, profile });
        let ier = Ier::from_bits_retain(self.ier);
        let mcr = Mcr::from_bits_retain(self.mcr);
        let fcr = Fcr::from_bits_retain(self.fcr);
        if !profile.ier().contains(ier) {
            return bad(offset::IER, self.ier);
        }
        if !profile.mcr().contains(mcr) {
            return bad(offset::MCR, self.mcr);
        }
        // A value that FCR can hold is one that a write of it leaves as it is.
        if profile.fcr_after_write(Fcr::empty(), fcr, true) != fcr {
            return bad(offset::FCR, self.fcr);
        }
        if !Lsr::ERRORS.contains(Lsr::from_bits_retain(self.line_errors)) {
            return bad(offset::LSR, self.line_errors);
        }
        if !Msr::INPUTS.contains(Msr::from_bits_retain(self.modem_inputs)) {
            return bad(offset::MSR, self.modem_inputs);
        }
        if !Msr::DELTAS.contains(Msr::from_bits_retain(self.modem_deltas)) {
            return bad(offset::MSR, self.modem_deltas);
        }
        fits(self.receiver.len(), fcr)?;
        for character in &self.receiver {
            if !Lsr::CHARACTER_ERRORS.contains(Lsr::from_bits_retain(character.errors)) {
                return bad(offset::LSR, character.errors);
            }
        }
        Ok((mcr, fcr))
    }
}
