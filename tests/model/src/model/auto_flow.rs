//! Auto flow control (TL16C750 data sheet, "autoflow control"). Only a 16750 can set its bit of MCR.

use super::Model;
use crate::register::{FCR_TRIGGER, MCR_AUTO_FLOW, MCR_RTS, MSR_CTS};

impl Model {
    /// Tells whether auto flow control is on. It needs the FIFOs, because it depends on how full they are.
    pub(super) fn auto_flow(&self) -> bool {
        self.mcr & MCR_AUTO_FLOW != 0 && self.fifos()
    }

    /// Tells whether auto-RTS is on. With MCR bit 1 clear, only auto-CTS is on.
    fn auto_rts(&self) -> bool {
        self.auto_flow() && self.mcr & MCR_RTS != 0
    }

    /// Auto-CTS: the transmitter checks CTS before it starts the next character. A character that has started continues.
    pub(super) fn forbidden_by_cts(&self) -> bool {
        self.auto_flow() && self.inputs() & MSR_CTS == 0
    }

    /// Auto-RTS: RTS becomes inactive when the receiver FIFO reaches its trigger level, and active when the FIFO is empty.
    /// At the highest level, RTS becomes inactive when the FIFO is full, and active when there is room for one character.
    pub(super) fn hold_or_release_the_sender(&mut self) {
        let highest = self.highest_trigger();
        let full = self.received.len() == self.capacity();
        let (hold, release) =
            if highest { (full, !full) } else { (self.trigger_reached(), self.received.is_empty()) };
        if !self.auto_rts() || release {
            self.held = false;
        } else if hold {
            self.held = true;
        }
    }

    /// Returns how many characters may wait before auto-RTS holds the sender or, without auto-RTS, the next character is lost.
    pub(super) fn sender_limit(&self) -> usize {
        if self.auto_rts() && !self.highest_trigger() { self.trigger() } else { self.capacity() }
    }

    fn highest_trigger(&self) -> bool {
        self.fcr & FCR_TRIGGER == FCR_TRIGGER
    }
}
