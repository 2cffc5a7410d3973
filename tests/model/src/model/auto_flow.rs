//! The TL16C750's auto flow control (its data sheet, "autoflow control"). Only a 16750 can set the bit of MCR.

use super::Model;
use crate::register::{FCR_TRIGGER, MCR_AUTO_FLOW, MCR_RTS, MSR_CTS};

impl Model {
    /// It needs the FIFOs, whose filling it follows.
    pub(super) fn auto_flow(&self) -> bool {
        self.mcr & MCR_AUTO_FLOW != 0 && self.fifos()
    }

    /// With MCR bit 1 clear, auto-CTS alone is on.
    fn auto_rts(&self) -> bool {
        self.auto_flow() && self.mcr & MCR_RTS != 0
    }

    /// Auto-CTS: the transmitter looks at CTS before it sends the next character; what is being sent goes on.
    pub(super) fn forbidden_by_cts(&self) -> bool {
        self.auto_flow() && self.inputs() & MSR_CTS == 0
    }

    /// Auto-RTS: RTS becomes inactive when the receiver FIFO reaches its trigger level, and active when it has been emptied.
    /// With the highest level it becomes inactive when no more fits, and active when there is room for one.
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

    /// How many characters may wait before the sender is held back or, without auto-RTS, one is lost.
    pub(super) fn sender_limit(&self) -> usize {
        if self.auto_rts() && !self.highest_trigger() { self.trigger() } else { self.capacity() }
    }

    fn highest_trigger(&self) -> bool {
        self.fcr & FCR_TRIGGER == FCR_TRIGGER
    }
}
