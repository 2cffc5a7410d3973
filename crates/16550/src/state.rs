//! The format of a UART's state, and the errors of a state that cannot be restored.

use core::num::NonZeroU32;

use arrayvec::ArrayVec;

use crate::config::Profile;
use crate::fifo::{FIFO_SIZE_MAX, capacity};
use crate::spec::Fcr;

/// The characters of a FIFO, from the oldest to the newest.
///
/// It is the `ArrayVec` of `arrayvec` 0.7, a vector that allocates nothing.
pub type Characters<E> = ArrayVec<E, { FIFO_SIZE_MAX as usize }>;

/// The state of a UART, with its version. Use it to save a UART or to move it to another machine.
///
/// [`Uart::state`](crate::Uart::state) returns the state between any two accesses. A UART that
/// [`Uart::restore`](crate::Uart::restore) makes from it continues as if nothing had happened: it gives the same answers and
/// the same interrupts.
///
/// With the feature `serde` the state can be serialised. Each version of the format is a variant, which every serialisation
/// format can tell apart. A released version never changes: a later version becomes another variant, and older versions stay
/// readable. Therefore each version has types of its own. Only [`Profile`] is shared, and its variants keep their names.
/// `tests/states/` holds states of every version, and each must always restore.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UartState {
    /// The first version.
    V1(UartStateV1),
}

impl UartState {
    /// Converts the state to the newest version. The return type changes with each new version.
    pub fn latest(self) -> UartStateV1 {
        match self {
            Self::V1(state) => state,
        }
    }
}

/// The state of a UART, version 1. Registers have the bits of [`spec`](crate::spec).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UartStateV1 {
    /// The chip.
    pub profile: Profile,
    /// Whether the interrupt line needs MCR.OUT2.
    pub out2_gate: bool,
    /// IER.
    pub ier: u8,
    /// FCR without the bits that clear themselves.
    pub fcr: u8,
    /// LCR.
    pub lcr: u8,
    /// MCR.
    pub mcr: u8,
    /// SCR.
    pub scr: u8,
    /// DLL and DLM.
    pub divisor: u16,
    /// OE, PE, FE and BI, as LSR shows them.
    pub line_errors: u8,
    /// The modem inputs (bits 7:4 of MSR) that the host drives, in loopback too.
    pub modem_inputs: u8,
    /// Bits 3:0 of MSR.
    pub modem_deltas: u8,
    /// Whether the THRE interrupt is pending, enabled or not.
    pub thre_pending: bool,
    /// Whether automatic flow control has made the RTS pin inactive.
    pub rts_held: bool,
    /// The characters that wait in the receiver.
    pub receiver: Characters<CharacterState>,
    /// Timed mode's part of the state, or `None` in instant time.
    pub timed: Option<TimedStateV1>,
}

/// A character in the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CharacterState {
    /// Its data.
    pub data: u8,
    /// Its PE, FE and BI, as bits of LSR. LSR has shown those of the oldest character.
    pub errors: u8,
}

/// Timed mode's part of a UART's state. Times are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimedStateV1 {
    /// The input frequency of the baud rate generator in hertz.
    pub clock: NonZeroU32,
    /// The present time.
    pub now: u64,
    /// The characters that wait in the transmitter's FIFO, or in THR.
    pub transmitter: Characters<u8>,
    /// The character in the shift register, and the time at which it leaves.
    pub shifting: Option<(u8, u64)>,
    /// LSR.THRE.
    pub thre: ThreV1,
    /// Whether the FIFO has held two characters at once since THRE was last 1. If so, THRE is not delayed when the FIFO
    /// empties.
    pub two_queued: bool,
    /// Whether the FIFOs went on or off and the transmitter's has not become empty since. If so, THRE is not delayed either.
    pub undelayed: bool,
    /// The state of the receiver's time-out.
    pub timeout: CharacterTimeoutV1,
}

/// The state of LSR.THRE in timed mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ThreV1 {
    /// THRE is 1: THR, or the transmitter's FIFO, is empty.
    Set,
    /// THRE is 0 and the FIFO is empty. THRE becomes 1 at this time.
    SetAt(u64),
    /// THRE is 0: THR, or the transmitter's FIFO, holds a character.
    Clear,
}

/// The state of the receiver's time-out in timed mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CharacterTimeoutV1 {
    /// No character waits in the receiver's FIFO.
    Idle,
    /// The time-out comes at this time.
    At(u64),
    /// The time-out has come.
    Expired,
}

/// Why a state cannot be restored.
///
/// No part of the state has been used. Make a new UART, or start the guest again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A register has bits that this chip does not have, or that it never holds.
    #[error("register {register} of a {profile:?} can't hold {value:#04x}")]
    Register {
        /// The register's offset.
        register: u8,
        /// The register's value in the state.
        value: u8,
        /// The chip.
        profile: Profile,
    },
    /// A FIFO holds more characters than fit.
    #[error("{len} characters do not fit into a FIFO of {capacity}")]
    TooManyCharacters {
        /// The number of characters in the state.
        len: usize,
        /// The FIFO's capacity in the state's mode.
        capacity: u8,
    },
    /// The state belongs to a UART in the other kind of time.
    #[error(
        "the state is from the other kind of time: restore it as a UART in instant time or in timed mode, as it was"
    )]
    OtherTime,
    /// Two parts of the state contradict each other, so that the UART could hang.
    #[error("the state contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// Collects the characters of a FIFO. They always fit, but `collect` of the trait contains a panic for the case that they
/// do not.
pub(crate) fn collect<E>(elements: impl Iterator<Item = E>) -> Characters<E> {
    let mut characters = Characters::new_const();
    for element in elements {
        if characters.try_push(element).is_err() {
            break;
        }
    }
    characters
}

/// Checks that a FIFO has room for `len` characters.
pub(crate) fn fits(len: usize, fcr: Fcr) -> Result<(), RestoreError> {
    let capacity = capacity(fcr);
    if len > capacity.into() {
        return Err(RestoreError::TooManyCharacters { len, capacity });
    }
    Ok(())
}
