//! A UART's state as data: the format.

use core::num::NonZeroU32;

use arrayvec::ArrayVec;

use crate::config::Profile;
use crate::fifo::FIFO_SIZE_MAX;

/// Characters of a FIFO, from the oldest to the newest. (The `ArrayVec` of `arrayvec` 0.7: a vector that allocates nothing.)
pub type Characters<E> = ArrayVec<E, { FIFO_SIZE_MAX as usize }>;

/// A UART's state, by version: to be kept, sent to another machine, and restored there.
///
/// [`Uart::state`](crate::Uart::state) gives it at any moment between two accesses, and a UART that
/// [`Uart::restore`](crate::Uart::restore) makes of it goes on as if nothing had happened: same answers, same interrupts.
///
/// With the feature `serde` it can be serialised. A version of the format is a variant, which every serialisation format tells
/// apart. Once released it never changes: a later version is another variant, and the older ones stay readable. For that
/// the types of a version are its own, [`Profile`] aside, whose variants keep their names. `tests/states/` has states of
/// every version, which must restore for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UartState {
    /// The first version.
    V1(UartStateV1),
}

impl UartState {
    /// As the newest version, whichever it is of. So its type is another one with each new version.
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
    pub thre: ThreV1,
    /// Two characters have been in the FIFO at once since THRE was last 1: when it empties, THRE is not delayed.
    pub two_queued: bool,
    /// The FIFOs went on or off, and the transmitter's has not become empty since: THRE is not delayed either.
    pub undelayed: bool,
    /// The receiver's time-out.
    pub timeout: CharacterTimeoutV1,
}

/// LSR.THRE in timed mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ThreV1 {
    /// 1: THR, or the transmitter's FIFO, is empty.
    Set,
    /// 0; it is empty, and THRE will be 1 at this time.
    SetAt(u64),
    /// 0: something is in it.
    Clear,
}

/// The receiver's time-out in timed mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CharacterTimeoutV1 {
    /// Nothing waits in the receiver's FIFO.
    Idle,
    /// It comes at this time.
    At(u64),
    /// It has come.
    Expired,
}
