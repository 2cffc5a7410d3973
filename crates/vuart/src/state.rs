//! A port's state as data.

use std::borrow::Cow;

use vm_superio::SerialState;
use vuart_16550::spec::{Fcr, Ier, InterruptId, Lsr, Mcr, Msr};
use vuart_16550::{CharacterState, Config, Uart, UartState, UartStateV1};
use vuart_endpoint::{Input, Symbol};

use crate::port::RestorePortError;

/// A port's state, by version: what [`SerialPort::restore`](crate::SerialPort::restore) makes another of.
///
/// It is the guest's side of the port. The console's history stays where it is; the offsets go on. Sessions end with
/// their process, and who owns the console is decided anew.
///
/// With the feature `serde` it can be serialised, in any format. A version, once released, stays readable: see
/// [`uart`](crate::uart::UartState).
///
/// It converts to and from vm-superio's [`SerialState`], for a VMM that changes from one to the other:
///
/// ```
/// use vm_superio::{Serial, SerialState};
/// use vuart::{Options, PortState, SerialPort};
/// # #[derive(Debug)] struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
///
/// let mut old = Serial::new(Irq, std::io::sink());
/// old.write(7, 0x5A).unwrap();
/// old.enqueue_raw_bytes(b"typed").unwrap();
///
/// let state = PortState::try_from(&old.state())?;
/// let mut port = SerialPort::restore(Irq, Options::default(), &state)?;
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
    /// With the carrier.
    V2(PortStateV2),
}

impl PortState {
    /// The offset of the next byte of output.
    pub fn offset(&self) -> u64 {
        match self {
            Self::V1(PortStateV1 { offset, .. }) | Self::V2(PortStateV2 { offset, .. }) => *offset,
        }
    }

    /// As the newest version, whichever it is of. So its type is another one with each new version.
    pub fn latest(self) -> PortStateV2 {
        match self {
            // There was no hanging up.
            Self::V1(PortStateV1 { uart, offset, waiting }) => {
                PortStateV2 { uart, offset, waiting, drop_due: false, dropped: false }
            }
            Self::V2(state) => state,
        }
    }

    pub(crate) fn as_latest(&self) -> Cow<'_, PortStateV2> {
        match self {
            Self::V1(_) => Cow::Owned(self.clone().latest()),
            Self::V2(state) => Cow::Borrowed(state),
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
    /// Input that the receiver has not taken yet, at most [`Input::CAPACITY`] symbols. In the new port it is nobody's, and is
    /// discarded when somebody comes to own the console before the guest has read it.
    pub waiting: Vec<Symbol>,
}

/// A port's state, version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortStateV2 {
    /// The registers.
    pub uart: UartState,
    /// The offset of the next byte of output.
    pub offset: u64,
    /// Input that the receiver has not taken yet, at most [`Input::CAPACITY`] symbols. In the new port it is nobody's, and is
    /// discarded when somebody comes to own the console before the guest has read it.
    pub waiting: Vec<Symbol>,
    /// The console has [hung up](vuart_endpoint::Carrier::hang_up), and the guest has not looked since.
    pub drop_due: bool,
    /// DCD is low for a hang-up, and goes up when the guest has seen it.
    pub dropped: bool,
}

impl PortStateV2 {
    /// What was driven at the UART.
    pub(crate) fn modem_inputs(&self) -> Msr {
        Msr::from_bits_retain(self.uart.clone().latest().modem_inputs)
    }
}

/// Why a port's state is none of vm-superio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToSuperioError {
    /// More input waits than its buffer holds. Let the guest read first.
    #[error("{waiting} characters wait, and vm-superio's buffer holds {SUPERIO_FIFO}")]
    TooMuchInput {
        /// In the receiver and behind it.
        waiting: usize,
    },
    /// The guest tests its UART in loopback, and input waits for the end of that, which vm-superio would mistake for what the
    /// guest has sent to itself. Let the guest go on for a moment.
    #[error("{waiting} characters of input wait for the end of a loopback test")]
    Loopback {
        /// Behind the receiver.
        waiting: usize,
    },
}

/// vm-superio's is a 16550A without a clock, whose FIFOs are always on and whose modem lines never change.
///
/// What it has no place for is not in it: the profile and what only a 16750 has, FCR, the errors of characters, breaks (one
/// that the receiver has is a 0), the OUT2 gate, a hang-up that the guest has not seen, and the offset.
impl TryFrom<&PortState> for SerialState {
    type Error = ToSuperioError;

    fn try_from(state: &PortState) -> Result<Self, ToSuperioError> {
        let state = state.as_latest();
        let PortStateV2 { uart, waiting, dropped, .. } = &*state;
        let uart = uart.clone().latest();
        let [baud_divisor_low, baud_divisor_high] = uart.divisor.to_le_bytes();
        let typed = waiting.iter().filter_map(|symbol| match symbol {
            Symbol::Byte(byte) => Some(*byte),
            Symbol::Break => None,
        });
        if uart.mcr & Mcr::LOOP.bits() != 0 && !waiting.is_empty() {
            return Err(ToSuperioError::Loopback { waiting: waiting.len() });
        }
        let in_buffer: Vec<u8> = uart.receiver.iter().map(|character| character.data).chain(typed).collect();
        if in_buffer.len() > SUPERIO_FIFO {
            return Err(ToSuperioError::TooMuchInput { waiting: in_buffer.len() });
        }
        let ier = Ier::from_bits_retain(uart.ier) & Ier::STANDARD;
        // Not one identification, but each that is pending, as a bit.
        let mut pending = 0;
        if ier.contains(Ier::ETBEI) && uart.thre_pending {
            pending |= InterruptId::Thre as u8;
        }
        if ier.contains(Ier::ERBFI) && !in_buffer.is_empty() {
            pending |= InterruptId::ReceivedData as u8;
        }
        let mut lsr = Lsr::THRE | Lsr::TEMT;
        lsr.set(Lsr::DR, !in_buffer.is_empty());
        // There it would be low for ever.
        let carrier = if *dropped { Msr::DCD.bits() } else { 0 };
        Ok(Self {
            baud_divisor_low,
            baud_divisor_high,
            interrupt_enable: ier.bits(),
            interrupt_identification: if pending == 0 { InterruptId::None as u8 } else { pending },
            line_control: uart.lcr,
            line_status: lsr.bits(),
            modem_control: (Mcr::from_bits_retain(uart.mcr) & Mcr::STANDARD).bits(),
            modem_status: uart.modem_inputs | uart.modem_deltas | carrier,
            scratch: uart.scr,
            in_buffer,
        })
    }
}

/// The guest was told of a 16550A with its FIFOs on, whatever it wrote to FCR, so that is what it gets; the trigger level,
/// which vm-superio does not keep, is 1. It had its interrupts without OUT2, so there is no gate. What is more than 16
/// characters waits behind the FIFO; in loopback, where it is the guest's own, it is an overrun. The offset is 0.
impl TryFrom<&SerialState> for PortState {
    type Error = RestorePortError;

    fn try_from(state: &SerialState) -> Result<Self, RestorePortError> {
        let ier = Ier::from_bits_retain(state.interrupt_enable) & Ier::STANDARD;
        let character = |data: &u8| CharacterState { data: *data, errors: 0 };
        let mcr = Mcr::from_bits_retain(state.modem_control) & Mcr::STANDARD;
        let (receiver, rest) =
            state.in_buffer.split_at(state.in_buffer.len().min(vuart_16550::FIFO_SIZE.into()));
        let overrun = mcr.contains(Mcr::LOOP) && !rest.is_empty();
        let waiting = if overrun { &[] } else { rest };
        if waiting.len() > Input::CAPACITY {
            return Err(RestorePortError::TooMuchInput { waiting: waiting.len() });
        }
        let uart = UartStateV1 {
            ier: ier.bits(),
            fcr: Fcr::ENABLE.bits(),
            lcr: state.line_control,
            mcr: mcr.bits(),
            out2_gate: false,
            line_errors: if overrun { Lsr::OE.bits() } else { 0 },
            scr: state.scratch,
            divisor: u16::from_le_bytes([state.baud_divisor_low, state.baud_divisor_high]),
            modem_inputs: (Msr::from_bits_retain(state.modem_status) & Msr::INPUTS).bits(),
            // It has no memory of an interrupt that was not enabled, and one too many does no harm (S19).
            thre_pending: ier.contains(Ier::ETBEI),
            receiver: receiver.iter().map(character).collect(),
            ..Uart::new(Config::new()).state().latest()
        };
        let waiting = waiting.iter().copied().map(Symbol::Byte).collect();
        let uart = UartState::V1(uart);
        Ok(Self::V2(PortStateV2 { uart, offset: 0, waiting, drop_due: false, dropped: false }))
    }
}

/// What vm-superio's input buffer holds.
const SUPERIO_FIFO: usize = 64;
