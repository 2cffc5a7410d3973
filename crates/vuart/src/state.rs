//! A port's state as data.

use std::borrow::Cow;

use vuart_16550::spec::{Mcr, Msr};
use vuart_16550::{RestoreError, Uart, UartState};
use vuart_endpoint::{Input, Symbol};

use crate::flow::FlowState;
use crate::pause::{LOOKS, Pause};

/// No port can be in a state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// No UART can be in that state.
    #[error(transparent)]
    Uart(#[from] RestoreError),
    /// More input waits than there is room for.
    #[error(transparent)]
    TooMuchInput(#[from] TooMuchInput),
    /// More characters came by loopback than the receiver holds.
    #[error("{looped} characters in the receiver came by loopback, and it holds {held}")]
    Looped {
        /// The number of characters from loopback.
        looped: u8,
        /// The number of characters in the receiver.
        held: usize,
    },
    /// The carrier is low for a hang-up that the guest has not seen, and it is high.
    #[error("the carrier is dropped, and DCD is high")]
    Carrier,
}

/// The most symbols that wait in a port: those that were typed, and those that came back from the receiver.
pub(crate) const ROOM: usize = Input::CAPACITY + Input::PUT_BACK_MAX;

/// More input waits than there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} symbols of input wait, and there is room for {}", ROOM)]
pub struct TooMuchInput {
    /// The number of symbols.
    pub waiting: usize,
}

/// A port's state, by version. [`PortBuilder::restore`](crate::PortBuilder::restore) makes another port from it.
///
/// It is the guest's side of the port. The console's history stays where it is, and the offsets go on. Sessions end with their process,
/// and ownership is decided anew.
///
/// With the feature `serde` it can be serialised, in any format. A version, once released, stays readable: see
/// [`uart`](crate::uart::UartState).
///
/// It converts to and from vm-superio's [`SerialState`](vm_superio::SerialState), for a VMM that changes from one to the other:
///
/// ```
/// use vm_superio::{Serial, SerialState};
/// use vuart::{PortBuilder, PortState};
/// # #[derive(Debug)] struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
///
/// let mut old = Serial::new(Irq, std::io::sink());
/// old.write(7, 0x5A).unwrap();
/// old.enqueue_raw_bytes(b"typed").unwrap();
///
/// let state = PortState::try_from(&old.state())?;
/// let mut port = PortBuilder::restore(&state).build(Irq)?;
/// assert_eq!(port.read_register(7), 0x5A);
/// assert_eq!(port.read_register(0), b't');
///
/// let state = SerialState::try_from(&port.state())?; // and back
/// assert_eq!(state.in_buffer, b"yped");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PortState {
    /// The first version.
    V1(PortStateV1),
    /// The version with the carrier.
    V2(PortStateV2),
    /// The version with flow control, and with pauses in the input.
    V3(PortStateV3),
}

impl PortState {
    /// The offset of the next byte of output.
    pub fn offset(&self) -> u64 {
        match self {
            Self::V1(PortStateV1 { offset, .. })
            | Self::V2(PortStateV2 { offset, .. })
            | Self::V3(PortStateV3 { offset, .. }) => *offset,
        }
    }

    /// Converts it to the newest version. Its return type changes with each new version.
    pub fn latest(self) -> PortStateV3 {
        match self {
            // Ports of that version could not hang up.
            Self::V1(PortStateV1 { uart, offset, waiting }) => {
                Self::V2(PortStateV2 { uart, offset, waiting, drop_due: false, dropped: false }).latest()
            }
            Self::V2(PortStateV2 { uart, offset, waiting, drop_due, dropped }) => {
                let registers = uart.clone().latest();
                // Ports of that version did not know where a character came from. In loopback most come from there.
                let in_loopback = registers.mcr & Mcr::LOOP.bits() != 0;
                let looped = if in_loopback { registers.receiver.len() } else { 0 };
                let looped = u8::try_from(looped).unwrap_or(u8::MAX);
                let pause = PauseV3::None;
                // They did not heed RTS either. It counts in the new port if it is high, or once it is raised.
                let flow = FlowState::default();
                PortStateV3 { uart, offset, waiting, drop_due, dropped, looped, run: 0, pause, flow }
            }
            Self::V3(state) => state,
        }
    }

    pub(crate) fn as_latest(&self) -> Cow<'_, PortStateV3> {
        match self {
            Self::V1(_) | Self::V2(_) => Cow::Owned(self.clone().latest()),
            Self::V3(state) => Cow::Borrowed(state),
        }
    }
}

/// A port's state, version 1: without the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortStateV1 {
    /// The registers.
    pub uart: UartState,
    /// The offset of the next byte of output.
    pub offset: u64,
    /// The input that the receiver has not taken yet, at most [`Input::CAPACITY`] symbols. In the new port it has no owner, and is
    /// discarded when a session comes to own the console before the guest has read it.
    pub waiting: Vec<Symbol>,
}

/// A port's state, version 2: with the carrier, without flow control and without pauses in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortStateV2 {
    /// The registers.
    pub uart: UartState,
    /// The offset of the next byte of output.
    pub offset: u64,
    /// The input that the receiver has not taken yet, at most [`Input::CAPACITY`] symbols. In the new port it has no owner, and is
    /// discarded when a session comes to own the console before the guest has read it.
    pub waiting: Vec<Symbol>,
    /// Whether the console has [hung up](vuart_endpoint::Console::hang_up) and the guest has not looked since.
    pub drop_due: bool,
    /// Whether DCD is low for a hang-up. It goes up when the guest has seen it.
    pub dropped: bool,
}

/// A port's state, version 3.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortStateV3 {
    /// The registers.
    pub uart: UartState,
    /// The offset of the next byte of output.
    pub offset: u64,
    /// The input that waits behind the receiver, at most [`Input::CAPACITY`] and [`Input::PUT_BACK_MAX`] symbols together. In the new
    /// port it has no owner, and is discarded when a session comes to own the console before the guest has read it.
    pub waiting: Vec<Symbol>,
    /// Whether the console has [hung up](vuart_endpoint::Console::hang_up) and the guest has not looked since.
    pub drop_due: bool,
    /// Whether DCD is low for a hang-up. It goes up when the guest has seen it.
    pub dropped: bool,
    /// How many of the newest characters in the receiver came by loopback, and not from the host.
    pub looped: u8,
    /// How many characters have moved up into the receiver since the guest was last shown that it is empty.
    pub run: u16,
    /// Whether the guest is shown an empty receiver although input waits.
    pub pause: PauseV3,
    /// What the guest has said about input. Where it contradicts the registers, they count.
    pub flow: FlowState,
}

/// Why a guest is shown an empty receiver although input waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PauseV3 {
    /// It is not: what waits moves up when the guest looks.
    None,
    /// The guest has cleared the receiver, and has not looked at LSR since.
    Cleared,
    /// The guest has read so many characters without a pause that there is one, and has not looked since.
    Due,
    /// LSR has shown that the receiver is empty, after the guest has cleared it.
    Shown,
    /// The guest clears the receiver by reads of RBR. This many reads of LSR show nothing.
    Flushing(u8),
    /// LSR has shown that the receiver is empty, after so many characters without a pause.
    DueShown,
}

impl From<Pause> for PauseV3 {
    fn from(pause: Pause) -> Self {
        match pause {
            Pause::None => Self::None,
            Pause::Cleared => Self::Cleared,
            Pause::Due => Self::Due,
            Pause::Shown => Self::Shown,
            Pause::DueShown => Self::DueShown,
            Pause::Flushing(looks) => Self::Flushing(looks),
        }
    }
}

impl From<PauseV3> for Pause {
    fn from(pause: PauseV3) -> Self {
        match pause {
            PauseV3::None => Self::None,
            PauseV3::Cleared => Self::Cleared,
            PauseV3::Due => Self::Due,
            PauseV3::Shown => Self::Shown,
            PauseV3::DueShown => Self::DueShown,
            PauseV3::Flushing(looks) => Self::Flushing(looks.min(LOOKS)),
        }
    }
}

impl PortStateV3 {
    /// The UART in this state, if a port can be in all of this state.
    pub(crate) fn uart(&self) -> Result<Uart, StateError> {
        let (looped, held) = (self.looped, self.uart.clone().latest().receiver.len());
        let Some(unread) = held.checked_sub(looped.into()) else {
            return Err(StateError::Looped { looped, held });
        };
        // The receiver's characters had room in the queue, and may come back.
        let waiting = self.waiting.len() + unread;
        if waiting > ROOM {
            return Err(TooMuchInput { waiting }.into());
        }
        if self.dropped && self.modem_inputs().contains(Msr::DCD) {
            return Err(StateError::Carrier);
        }
        Ok(Uart::restore(&self.uart)?)
    }

    /// The modem inputs as the UART had them.
    pub(crate) fn modem_inputs(&self) -> Msr {
        Msr::from_bits_retain(self.uart.clone().latest().modem_inputs)
    }
}
