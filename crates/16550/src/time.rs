//! The two kinds of time: the traits behind them, and instant time.

use core::num::NonZeroU32;

use crate::config::Config;
use crate::registers::Registers;
use crate::spec::Fcr;
use crate::state::{RestoreError, TimedStateV1, UartStateV1};

/// The kind of time that a [`Uart`](crate::Uart) runs in: [`Instant`] or [`Timed`](crate::Timed).
///
/// The kind of time is a type, so instant time costs nothing. The trait is sealed: there are no other kinds.
pub trait Time: Transmitter + Saved {}

/// The transmitter and the receiver's time-out, as the registers use them.
///
/// Other crates cannot implement this trait, because they cannot name it.
pub trait Transmitter: Sized {
    /// Takes a character that the guest writes to THR. Returns the character that leaves the transmitter at once, if any.
    fn transmit(&mut self, registers: &mut Registers, data: u8) -> Option<u8>;

    /// Returns LSR.THRE.
    fn holding_register_empty(&self) -> bool;

    /// Returns LSR.TEMT.
    fn transmitter_empty(&self) -> bool;

    /// Resets the transmitter, after a write of FCR bit 2 or a change of the FIFOs. `toggled` tells that the FIFOs went on
    /// or off.
    fn reset(&mut self, registers: &mut Registers, toggled: bool);

    /// Reacts to a possible change of CTS, or of a setting that depends on it.
    fn clear_to_send(&mut self, registers: &mut Registers);

    /// Tells whether the characters in the receiver have waited for four character times.
    fn timed_out(&self) -> bool;

    /// Reacts to a character that has arrived in the receiver.
    fn arrived(&mut self, registers: &Registers);

    /// Reacts to a read of RBR or a reset of the receiver.
    fn taken(&mut self, registers: &Registers);

    /// Reacts to the beginning of loopback: the transmitter is cut from the line (R10).
    fn cut_from_line(&mut self, registers: &mut Registers);
}

/// The part of a state that belongs to one kind of time.
///
/// Other crates cannot implement this trait, because they cannot name it.
pub trait Saved: Sized {
    /// Returns the THRE interrupt condition, as a UART that goes on from the state has it.
    fn thre_pending(&self, registers: &Registers) -> bool;

    /// Returns its part of the state.
    fn save(&self, clock: NonZeroU32) -> Option<TimedStateV1>;

    /// Checks its part of the state. Returns itself and the board's clock.
    #[allow(clippy::missing_errors_doc, reason = "no other crate can call it")]
    fn load(state: &UartStateV1, fcr: Fcr) -> Result<(Self, NonZeroU32), RestoreError>;

    /// Tells whether characters wait for the transmitter and no event will ever start them. `held` tells that CTS holds
    /// the transmitter.
    fn is_stuck(&self, held: bool) -> bool;
}

/// Instant time, for virtual machines. There is no clock.
///
/// A character that the guest writes to THR leaves before the write returns. Characters in the receiver count as having
/// waited for four character times as soon as they arrive.
///
/// THRE and TEMT are always 1, so firmware that waits for them without a limit never hangs (R9). Linux' earlycon, U-Boot,
/// OpenSBI, EDK2 and Windows' KD wait like that. Only the host can make them 0, for a while, by
/// [`hold_transmitter`](crate::Uart::hold_transmitter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instant {
    /// The host holds the transmitter: THRE and TEMT are 0. Never in loopback.
    held: bool,
}

impl Instant {
    pub(crate) const fn new() -> Self {
        Self { held: false }
    }

    pub(crate) const fn is_held(self) -> bool {
        self.held
    }

    pub(crate) const fn hold(&mut self, registers: &mut Registers) {
        self.held = true;
        // The register is full.
        registers.thre_pending = false;
    }

    pub(crate) const fn release(&mut self, registers: &mut Registers) {
        if self.held {
            self.held = false;
            // The register becomes empty (R3).
            registers.thre_pending = true;
        }
    }
}

impl Time for Instant {}

impl Transmitter for Instant {
    #[inline]
    fn transmit(&mut self, registers: &mut Registers, data: u8) -> Option<u8> {
        // The write clears the condition, and the character that leaves at once sets it again (R2, R3). While the host holds the
        // transmitter, the character leaves too, so that none is lost, and the register stays full.
        registers.thre_pending = !self.held;
        Some(data)
    }

    #[inline]
    fn holding_register_empty(&self) -> bool {
        !self.held
    }

    #[inline]
    fn transmitter_empty(&self) -> bool {
        !self.held
    }

    #[inline]
    fn reset(&mut self, registers: &mut Registers, _toggled: bool) {
        // Every character has left already, so the reset drops nothing that the guest believes sent (R6).
        self.held = false;
        registers.thre_pending = true;
    }

    #[inline]
    fn clear_to_send(&mut self, _registers: &mut Registers) {}

    #[inline]
    fn timed_out(&self) -> bool {
        true
    }

    #[inline]
    fn arrived(&mut self, _registers: &Registers) {}

    #[inline]
    fn taken(&mut self, _registers: &Registers) {}

    #[inline]
    fn cut_from_line(&mut self, registers: &mut Registers) {
        self.release(registers);
    }
}

impl Saved for Instant {
    fn thre_pending(&self, registers: &Registers) -> bool {
        // A UART that goes on from the state is not held, and its driver may sleep until the register is empty.
        registers.thre_pending || self.held
    }

    fn save(&self, _clock: NonZeroU32) -> Option<TimedStateV1> {
        None
    }

    fn load(state: &UartStateV1, _fcr: Fcr) -> Result<(Self, NonZeroU32), RestoreError> {
        match state.timed {
            None => Ok((Self::new(), Config::PC_CLOCK)),
            Some(_) => Err(RestoreError::OtherTime),
        }
    }

    fn is_stuck(&self, _held: bool) -> bool {
        false
    }
}
