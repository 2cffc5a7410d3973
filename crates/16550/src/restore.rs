//! Keeping a UART's state, and making a UART of one that may come from a file that anybody has written (S4).

use core::num::NonZeroU32;

use crate::config::{Config, Profile};
use crate::fifo::Fifo;
use crate::modem::Modem;
use crate::receiver::{Received, Receiver, capacity, stored_fcr};
use crate::spec::{Fcr, Ier, Lcr, Lsr, Mcr, Msr, offset};
use crate::state::{
    CharacterState, CharacterTimeoutV1, Characters, ThreV1, TimedStateV1, UartState, UartStateV1,
};
use crate::time::{Instant, Time};
use crate::timed::{CharacterTimeout, Shifting, Thre, Timed};
use crate::uart::Uart;

/// Why a state can't be restored. Nothing of it has been used; the UART that it was meant for can be made anew, or
/// the guest be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A register has bits that this chip does not have, or not at rest.
    #[error("register {register} of a {profile:?} can't hold {value:#04x}")]
    Register {
        /// Its offset.
        register: u8,
        /// What the state says.
        value: u8,
        /// The chip.
        profile: Profile,
    },
    /// A FIFO holds more than it can.
    #[error("{len} characters are in a FIFO of {capacity}")]
    TooManyCharacters {
        /// Characters in the state.
        len: usize,
        /// The FIFO's capacity in the state's mode.
        capacity: u8,
    },
    /// The state is of a UART in the other kind of time.
    #[error("the state is of instant time and the UART of timed mode, or the other way round")]
    OtherTime,
    /// Two parts contradict each other, so that the UART could hang.
    #[error("the state contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl<T: Time> Uart<T> {
    /// The state at this moment.
    pub fn state(&self) -> UartState {
        let waiting = self.rx.waiting();
        UartState::V1(UartStateV1 {
            profile: self.config.profile,
            out2_gate: self.config.out2_gate,
            ier: self.ier.bits(),
            fcr: self.fcr.bits(),
            lcr: self.lcr.bits(),
            mcr: self.mcr.bits(),
            scr: self.scr,
            divisor: self.divisor,
            line_errors: self.rx.errors().bits(),
            modem_inputs: self.modem.pins().bits(),
            modem_deltas: (self.modem.status() & Msr::DELTAS).bits(),
            thre_pending: self.thre_pending,
            rts_held: self.rts_held,
            receiver: collect(
                waiting
                    .map(|received| CharacterState { data: received.data, errors: received.errors.bits() }),
            ),
            timed: self.time.save(self.config.clock),
        })
    }

    /// A UART in that state, with the chip and the board that it had. In instant time the clock is a PC's; nothing depends
    /// on it.
    ///
    /// The level of the interrupt line is part of the state. Whoever makes edges of it must raise one when
    /// [`interrupt`](Self::interrupt) is true after restoring, since the machine that was interrupted is another (R4, S19).
    ///
    /// What is restored is checked: a state that no UART can be in is refused.
    ///
    /// ```
    /// use vuart_16550::{Uart, UartState, spec::offset::*};
    ///
    /// let mut uart = Uart::default();
    /// uart.write(IER, 0x02);
    /// let state: UartState = uart.state(); // with the feature `serde`, to be serialised
    ///
    /// let mut elsewhere: Uart = Uart::restore(&state)?;
    /// assert!(elsewhere.interrupt()); // the guest waits for it
    /// assert_eq!(elsewhere.read(IIR), 0x02);
    /// # Ok::<(), vuart_16550::RestoreError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no UART can be in that state, or only one in the other kind of time.
    pub fn restore(state: &UartState) -> Result<Self, RestoreError> {
        let UartState::V1(state) = state;
        let (mcr, fcr) = state.check_registers()?;
        let (time, clock) = T::load(state, fcr)?;
        let config =
            Config::new().with_profile(state.profile).with_out2_gate(state.out2_gate).with_clock(clock);
        let mut uart = Self::with_time(config, time);
        uart.ier = Ier::from_bits_retain(state.ier);
        uart.fcr = fcr;
        uart.lcr = Lcr::from_bits_retain(state.lcr);
        uart.mcr = mcr;
        uart.scr = state.scr;
        uart.divisor = state.divisor;
        uart.thre_pending = state.thre_pending;
        let received = |character: &CharacterState| Received {
            data: character.data,
            errors: Lsr::from_bits_retain(character.errors),
        };
        uart.rx =
            Receiver::restored(Lsr::from_bits_retain(state.line_errors), state.receiver.iter().map(received));
        uart.rx.configure(fcr);
        uart.rts_held = state.rts_held;
        if uart.rts_holds() != state.rts_held {
            return Err(RestoreError::Contradiction("RTS is held, or is not, against what the receiver has"));
        }
        let pins = Msr::from_bits_retain(state.modem_inputs);
        let seen = Modem::seen(pins, uart.mcr_as_it_acts());
        uart.modem = Modem::restored(pins, Msr::from_bits_retain(state.modem_deltas), seen);
        // A transmitter that has something to do and never will is one that firmware spins on for ever (R9).
        if uart.time.is_stuck(uart.cts_holds()) {
            return Err(RestoreError::Contradiction(
                "the transmitter has something to do and does not do it",
            ));
        }
        Ok(uart)
    }
}

impl UartStateV1 {
    /// Gives MCR and FCR.
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
        // What FCR holds is what it would hold after a write of that.
        if stored_fcr(profile, Fcr::empty(), fcr, true) != fcr {
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
        if self.receiver.first().is_some_and(|top| top.errors != 0) {
            return Err(RestoreError::Contradiction(
                "the oldest character has errors that LSR has not shown",
            ));
        }
        Ok((mcr, fcr))
    }
}

/// What a FIFO holds, which is never more than there is room for; `collect` of the trait would have a way to a panic for that.
fn collect<E>(elements: impl Iterator<Item = E>) -> Characters<E> {
    let mut characters = Characters::new_const();
    for element in elements {
        if characters.try_push(element).is_err() {
            break;
        }
    }
    characters
}

fn fits(len: usize, fcr: Fcr) -> Result<(), RestoreError> {
    let capacity = capacity(fcr);
    if len > capacity.into() {
        return Err(RestoreError::TooManyCharacters { len, capacity });
    }
    Ok(())
}

/// What each kind of time keeps. Not to be implemented elsewhere, as [`Transmitter`](crate::time::Transmitter).
pub trait Saved: Sized {
    /// Its part of the state.
    fn save(&self, clock: NonZeroU32) -> Option<TimedStateV1>;

    /// Itself, checked, and the board's clock.
    #[allow(clippy::missing_errors_doc, reason = "nobody can call it")]
    fn load(state: &UartStateV1, fcr: Fcr) -> Result<(Self, NonZeroU32), RestoreError>;

    /// Something waits to be transmitted, and no event will ever take it. `held` says that CTS holds it.
    fn is_stuck(&self, held: bool) -> bool;
}

impl Saved for Instant {
    fn save(&self, _clock: NonZeroU32) -> Option<TimedStateV1> {
        None
    }

    fn load(state: &UartStateV1, _fcr: Fcr) -> Result<(Self, NonZeroU32), RestoreError> {
        match state.timed {
            None => Ok((Self, Config::PC_CLOCK)),
            Some(_) => Err(RestoreError::OtherTime),
        }
    }

    fn is_stuck(&self, _held: bool) -> bool {
        false
    }
}

impl Saved for Timed {
    fn save(&self, clock: NonZeroU32) -> Option<TimedStateV1> {
        Some(TimedStateV1 {
            clock,
            now: self.now,
            transmitter: collect(self.fifo.iter()),
            shifting: self.shifting.map(|Shifting { data, leaves_at }| (data, leaves_at)),
            thre: match self.thre {
                Thre::Set => ThreV1::Set,
                Thre::SetAt(at) => ThreV1::SetAt(at),
                Thre::Clear => ThreV1::Clear,
            },
            two_queued: self.two_queued,
            undelayed: self.undelayed,
            timeout: match self.timeout {
                CharacterTimeout::Idle => CharacterTimeoutV1::Idle,
                CharacterTimeout::At(at) => CharacterTimeoutV1::At(at),
                CharacterTimeout::Expired => CharacterTimeoutV1::Expired,
            },
        })
    }

    fn load(state: &UartStateV1, fcr: Fcr) -> Result<(Self, NonZeroU32), RestoreError> {
        let timed = state.timed.as_ref().ok_or(RestoreError::OtherTime)?;
        fits(timed.transmitter.len(), fcr)?;
        let mut fifo = Fifo::new(0);
        for data in &timed.transmitter {
            fifo.push(*data);
        }
        let contradiction = |what| Err(RestoreError::Contradiction(what));
        // A character may have begun at another divisor than the present one, at the slowest.
        let horizon = timed.now.saturating_add(4 * Self::longest_character(timed.clock));
        let is_ahead = |at| (timed.now..=horizon).contains(&at);
        if timed.shifting.is_some_and(|(_, leaves_at)| !is_ahead(leaves_at)) {
            return contradiction("the character in the shift register has left, or never does");
        }
        let thre = match (timed.thre, timed.transmitter.is_empty(), timed.shifting) {
            (ThreV1::Set, true, _) => Thre::Set,
            (ThreV1::Clear, false, _) => Thre::Clear,
            (ThreV1::SetAt(at), true, Some((_, leaves_at))) if (timed.now..=leaves_at).contains(&at) => {
                Thre::SetAt(at)
            }
            _ => return contradiction("THRE does not fit what the transmitter has"),
        };
        let runs = fcr.contains(Fcr::ENABLE) && !state.receiver.is_empty();
        let timeout = match timed.timeout {
            CharacterTimeoutV1::Idle if !runs => CharacterTimeout::Idle,
            CharacterTimeoutV1::At(at) if runs && is_ahead(at) => CharacterTimeout::At(at),
            CharacterTimeoutV1::Expired if runs => CharacterTimeout::Expired,
            _ => return contradiction("the time-out does not fit what the receiver has"),
        };
        let shifting = timed.shifting.map(|(data, leaves_at)| Shifting { data, leaves_at });
        let time = Self {
            now: timed.now,
            fifo,
            shifting,
            thre,
            two_queued: timed.two_queued,
            undelayed: timed.undelayed,
            timeout,
        };
        Ok((time, timed.clock))
    }

    fn is_stuck(&self, held: bool) -> bool {
        self.fifo.len() != 0 && self.shifting.is_none() && !held
    }
}
