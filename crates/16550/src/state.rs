//! A UART's state as data: to be kept, sent to another machine, and restored there.
//!
//! [`Uart::state`] gives it at any moment between two accesses, and a UART that [`Uart::restore`] makes of it goes on as if
//! nothing had happened: same answers, same interrupts. The level of the interrupt line is part of that; who turns it into
//! edges must raise one when [`Uart::interrupt`] is true after restoring, since the machine that was interrupted is another
//! (R4, S19).
//!
//! A version of the format is a variant of [`UartState`], which every serialisation format tells apart, and it never
//! changes once released: a later version is another variant, and the older ones stay readable. `tests/states/` has
//! states of every version, which must restore for ever.
//!
//! What is restored is checked: it may come from a file that anybody has written (S4). A state that no UART can be in is
//! refused with a [`RestoreError`].

use core::num::NonZeroU32;

use arrayvec::ArrayVec;

use crate::config::{Config, Profile};
use crate::fifo::{FIFO_SIZE_MAX, Fifo};
use crate::modem::Modem;
use crate::receiver::{Received, Receiver, capacity, stored_fcr};
use crate::spec::{Fcr, Ier, Lcr, Lsr, Mcr, Msr, offset};
use crate::time::{Instant, Time};
use crate::timed::{Holding, Shifting, TimeOut, Timed};
use crate::uart::Uart;

/// Characters of a FIFO, from the oldest to the newest.
pub type Characters<E> = ArrayVec<E, { FIFO_SIZE_MAX as usize }>;

/// A UART's state, by version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UartState {
    /// The first version.
    V1(UartStateV1),
}

impl UartState {
    /// As the newest version, whichever it is of.
    pub fn latest(self) -> UartStateV1 {
        match self {
            Self::V1(state) => state,
        }
    }
}

/// A UART's state, version 1. Registers are as [`spec`](crate::spec) has them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UartStateV1 {
    /// The chip.
    pub profile: Profile,
    /// Whether the interrupt line needs MCR.OUT2.
    pub out2_gate: bool,
    /// IER.
    pub ier: u8,
    /// FCR, without the bits that clear themselves.
    pub fcr: u8,
    /// LCR.
    pub lcr: u8,
    /// MCR.
    pub mcr: u8,
    /// SCR.
    pub scr: u8,
    /// DLL and DLM.
    pub divisor: u16,
    /// OE, PE, FE and BI as LSR shows them.
    pub line_errors: u8,
    /// The modem inputs (bits 7:4 of MSR) that the host drives, also in loopback.
    pub modem_inputs: u8,
    /// Bits 3:0 of MSR.
    pub modem_deltas: u8,
    /// The THRE interrupt is pending, enabled or not.
    pub thre_pending: bool,
    /// Automatic flow control has made the RTS pin inactive.
    pub rts_held: bool,
    /// What waits in the receiver.
    pub receiver: Characters<CharacterState>,
    /// What timed mode adds; `None` is instant time.
    pub timed: Option<TimedStateV1>,
}

/// A character in the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CharacterState {
    /// Its data.
    pub data: u8,
    /// Its PE, FE and BI, as bits of LSR, as long as LSR has not shown them.
    pub errors: u8,
}

/// What timed mode adds to a UART's state. Times are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimedStateV1 {
    /// The frequency that the divisor divides, in hertz.
    pub clock: NonZeroU32,
    /// The present.
    pub now: u64,
    /// What waits in the transmitter's FIFO, or in THR.
    pub transmitter: Characters<u8>,
    /// The character in the shift register, and when it leaves.
    pub shifting: Option<(u8, u64)>,
    /// LSR.THRE.
    pub holding: Holding,
    /// Two characters have been in the FIFO at once since THRE was last 1.
    pub pair: bool,
    /// The FIFOs went on or off, and the transmitter's has not become empty since.
    pub immediate: bool,
    /// The receiver's time-out.
    pub time_out: TimeOut,
}

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
        uart.check_transmitter()?;
        Ok(uart)
    }

    /// A transmitter that has something to do and never will is one that firmware spins on for ever (R9).
    fn check_transmitter(&self) -> Result<(), RestoreError> {
        if self.time.is_stuck(self.auto_flow() && !self.modem.status().contains(Msr::CTS)) {
            return Err(RestoreError::Contradiction(
                "the transmitter has something to do and does not do it",
            ));
        }
        Ok(())
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
            holding: self.holding,
            pair: self.pair,
            immediate: self.immediate,
            time_out: self.time_out,
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
        match (timed.holding, timed.transmitter.is_empty(), timed.shifting) {
            (Holding::Empty, true, _) | (Holding::Occupied, false, _) => {}
            (Holding::EmptyAt(at), true, Some((_, leaves_at))) if (timed.now..=leaves_at).contains(&at) => {}
            _ => return contradiction("THRE does not fit what the transmitter has"),
        }
        let has_time_out = fcr.contains(Fcr::ENABLE) && !state.receiver.is_empty();
        match timed.time_out {
            TimeOut::Idle if !has_time_out => {}
            TimeOut::At(at) if has_time_out && is_ahead(at) => {}
            TimeOut::Expired if has_time_out => {}
            _ => return contradiction("the time-out does not fit what the receiver has"),
        }
        let shifting = timed.shifting.map(|(data, leaves_at)| Shifting { data, leaves_at });
        let time = Self {
            now: timed.now,
            fifo,
            shifting,
            holding: timed.holding,
            pair: timed.pair,
            immediate: timed.immediate,
            time_out: timed.time_out,
        };
        Ok((time, timed.clock))
    }

    fn is_stuck(&self, held: bool) -> bool {
        self.fifo.len() != 0 && self.shifting.is_none() && !held
    }
}
