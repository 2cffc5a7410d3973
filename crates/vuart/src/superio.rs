//! Conversion of a port's state to and from vm-superio's.

use vm_superio::SerialState;
use vuart_16550::spec::{Fcr, Ier, InterruptId, Lsr, Mcr, Msr};
use vuart_16550::{CharacterState, Config, FIFO_SIZE, Uart, UartState, UartStateV1};
use vuart_endpoint::{Input, Symbol};

use crate::state::{PortState, PortStateV2, PortStateV3, TooMuchInput};

/// A port's state can't be converted to vm-superio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToSuperioError {
    /// More input waits than vm-superio's buffer holds. Let the guest read first.
    #[error("{waiting} characters wait, and vm-superio's buffer holds {SUPERIO_FIFO}")]
    TooMuchInput {
        /// The number of characters in the receiver and behind it.
        waiting: usize,
    },
    /// The guest tests its UART in loopback, and input waits for the end of the test. vm-superio would take that input for what the guest
    /// has sent to itself. Let the guest go on for a moment.
    #[error("{waiting} characters of input wait for the end of a loopback test")]
    Loopback {
        /// The number of characters behind the receiver.
        waiting: usize,
    },
}

/// vm-superio's device is a 16550A without a clock, whose FIFOs are always on and whose modem lines never change.
///
/// The conversion loses what vm-superio has no place for: the profile and what only a 16750 has, FCR, the errors of characters, breaks (a
/// break in the receiver becomes a 0), the OUT2 gate, a hang-up that the guest has not seen, that the guest has stopped
/// input, and the offset.
impl TryFrom<&PortState> for SerialState {
    type Error = ToSuperioError;

    fn try_from(state: &PortState) -> Result<Self, ToSuperioError> {
        let state = state.as_latest();
        let PortStateV3 { uart, waiting, dropped, .. } = &*state;
        let uart = uart.clone().latest();
        let [baud_divisor_low, baud_divisor_high] = uart.divisor.to_le_bytes();
        let typed = waiting.iter().filter_map(|symbol| match symbol {
            Symbol::Byte(byte) | Symbol::Damaged(byte, _) => Some(*byte),
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
        // vm-superio does not keep one identification, but a bit for each pending interrupt.
        let mut pending = 0;
        if ier.contains(Ier::ETBEI) && uart.thre_pending {
            pending |= InterruptId::Thre as u8;
        }
        if ier.contains(Ier::ERBFI) && !in_buffer.is_empty() {
            pending |= InterruptId::ReceivedData as u8;
        }
        let mut lsr = Lsr::THRE | Lsr::TEMT;
        lsr.set(Lsr::DR, !in_buffer.is_empty());
        // With vm-superio DCD would stay low for ever.
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

/// The guest was told of a 16550A with its FIFOs on, whatever it wrote to FCR, so it gets one. The trigger level, which vm-superio does not
/// keep, is 1. The guest had its interrupts without OUT2, so there is no gate. Input beyond 16 characters waits behind the FIFO; in
/// loopback, where it is the guest's own, it is an overrun. The offset is 0.
impl TryFrom<&SerialState> for PortState {
    type Error = TooMuchInput;

    fn try_from(state: &SerialState) -> Result<Self, TooMuchInput> {
        let ier = Ier::from_bits_retain(state.interrupt_enable) & Ier::STANDARD;
        let character = |data: &u8| CharacterState { data: *data, errors: 0 };
        let mcr = Mcr::from_bits_retain(state.modem_control) & Mcr::STANDARD;
        let (receiver, rest) = state.in_buffer.split_at(state.in_buffer.len().min(FIFO_SIZE.into()));
        let overrun = mcr.contains(Mcr::LOOP) && !rest.is_empty();
        let waiting = if overrun { &[] } else { rest };
        if waiting.len() > Input::CAPACITY {
            return Err(TooMuchInput { waiting: waiting.len() });
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
            // vm-superio does not remember an interrupt that was not enabled. One too many does no harm (S19).
            thre_pending: ier.contains(Ier::ETBEI),
            receiver: receiver.iter().map(character).collect(),
            ..Uart::new(Config::new()).state().latest()
        };
        let waiting = waiting.iter().copied().map(Symbol::Byte).collect();
        let uart = UartState::V1(uart);
        Ok(Self::V2(PortStateV2 { uart, offset: 0, waiting, drop_due: false, dropped: false }))
    }
}

/// The size of vm-superio's input buffer in bytes.
const SUPERIO_FIFO: usize = 64;
