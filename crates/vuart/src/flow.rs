//! Flow control: whether the guest lets input come.
//!
//! RTS is a pin of the UART, and the UART itself does not heed it: the other side of the line does. Here that side is the port's queue.
//! So while the guest holds RTS low, no input moves up from the queue into the receiver. What is in the receiver stays there, and is
//! read as usual. What waits in the queue is bounded: the clients keep the rest.
//!
//! Firmware and simple drivers never touch RTS, and it is low after a reset. So it counts only once the driver has raised it.

use vuart_16550::spec::Mcr;

use crate::chip::Chip;

/// Which signals of the guest stop its input. See [`PortBuilder::with_flow_control`](crate::PortBuilder::with_flow_control).
///
/// Input that is stopped waits. Nothing of it is lost, and breaks wait with it, in their place. Clients are told that the guest has stopped
/// input ([`Console::input_stopped`](vuart_endpoint::Console::input_stopped)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FlowControl {
    /// None: input comes whenever the guest looks for it. For a guest whose RTS means something else.
    None,
    /// RTS. The driver must have raised it once, so that a guest which never uses RTS gets its input.
    #[default]
    Rts,
    /// RTS, and XOFF (0x13) and XON (0x11) in the output. Clients get both as they get any other byte. For a guest that sends text: binary
    /// output has these bytes too, and would stop the input. Each byte of output costs the port more than without.
    RtsAndXonXoff,
}

/// What the guest's RTS has been since the port's reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum RtsState {
    /// Low, and never raised: the driver does not use it.
    #[default]
    NeverRaised,
    /// High.
    Raised,
    /// Low, and high before: the guest has stopped input.
    Lowered,
}

/// What the guest has said about input. It is part of a [`PortState`](crate::PortState).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FlowState {
    /// What RTS has been. In loopback it is what it was before, because the pin is inactive there.
    pub rts: RtsState,
    /// Whether XOFF came after the last XON. Always `false` in a port that does not [heed](FlowControl::RtsAndXonXoff) them.
    pub xoff: bool,
}

/// What the port heeds, and what the guest has said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    control: FlowControl,
    state: FlowState,
}

impl Flow {
    pub(crate) fn new(control: FlowControl) -> Self {
        Self { control, state: FlowState::default() }
    }

    /// Goes on from a state. A port that does not heed XOFF forgets one that came to a port which did.
    pub(crate) fn restored(control: FlowControl, state: FlowState) -> Self {
        let heeds_xoff = control == FlowControl::RtsAndXonXoff;
        Self { control, state: FlowState { xoff: state.xoff && heeds_xoff, ..state } }
    }

    pub(crate) fn state(self) -> FlowState {
        self.state
    }

    /// The port is reset: what the guest has said before does not count.
    pub(crate) fn reset(&mut self) {
        self.state = FlowState::default();
    }

    /// Whether the guest has stopped input.
    pub(crate) fn stops_input(self) -> bool {
        let by_rts = self.state.rts == RtsState::Lowered;
        match self.control {
            FlowControl::None => false,
            FlowControl::Rts => by_rts,
            FlowControl::RtsAndXonXoff => by_rts || self.state.xoff,
        }
    }

    /// After a write of MCR: looks at RTS.
    pub(crate) fn hear_rts(&mut self, chip: &Chip) {
        // In loopback the pin is inactive, but the guest has not lowered it. (No input comes in there anyway.)
        if chip.is_in_loopback() {
            return;
        }
        // The receiver of a 16750 may lower the pin by itself. `room` says then how much may come, and the guest has said nothing.
        let raised = chip.modem_outputs().contains(Mcr::RTS) || chip.holds_sender();
        self.state.rts = match (raised, self.state.rts) {
            (true, _) => RtsState::Raised,
            (false, RtsState::NeverRaised) => RtsState::NeverRaised,
            (false, RtsState::Raised | RtsState::Lowered) => RtsState::Lowered,
        };
    }

    /// Whether the port looks for XON and XOFF in the output.
    #[inline]
    pub(crate) fn hears_output(self) -> bool {
        self.control == FlowControl::RtsAndXonXoff
    }

    /// The guest has sent a byte to a port that [looks](Self::hears_output). Returns whether it was XON or XOFF.
    pub(crate) fn hear_output(&mut self, byte: u8) -> bool {
        match byte {
            XOFF => self.state.xoff = true,
            XON => self.state.xoff = false,
            _ => return false,
        }
        true
    }
}

/// DC1 of ASCII.
const XON: u8 = 0x11;
/// DC3 of ASCII.
const XOFF: u8 = 0x13;
