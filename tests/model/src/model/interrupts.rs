//! The interrupts: table IV, interrupt control functions.

use super::Model;
use crate::register::{
    IER_LINE_STATUS, IER_MODEM_STATUS, IER_RECEIVED_DATA, IER_THR_EMPTY, IIR_LINE_STATUS, IIR_MODEM_STATUS,
    IIR_NONE, IIR_RECEIVED_DATA, IIR_THR_EMPTY, IIR_TIME_OUT, MCR_OUT2, MSR_DELTA_CTS,
};

/// Tells whether the condition for an interrupt holds, enabled or not.
type Condition = fn(&Model) -> bool;

impl Model {
    /// Returns IIR bits 3:0: the enabled condition of the highest priority that holds.
    pub fn interrupt_id(&self) -> u8 {
        let table: [(u8, Condition, u8); 5] = [
            (IER_LINE_STATUS, |uart| uart.line_errors() != 0, IIR_LINE_STATUS),
            (IER_RECEIVED_DATA, Self::trigger_reached, IIR_RECEIVED_DATA),
            (IER_RECEIVED_DATA, Self::time_out, IIR_TIME_OUT),
            (IER_THR_EMPTY, |uart| uart.thre_condition, IIR_THR_EMPTY),
            (IER_MODEM_STATUS, Self::modem_status, IIR_MODEM_STATUS),
        ];
        table
            .into_iter()
            .find(|(enable, condition, _)| self.ier & enable != 0 && condition(self))
            .map_or(IIR_NONE, |(_, _, id)| id)
    }

    /// Returns the level of the interrupt line. OUT2 gates it on a PC's board, but not in loopback: drivers test interrupts
    /// there while the pin is inactive (R12).
    pub fn interrupt(&self) -> bool {
        let gate = !self.setup.out2_gate || self.mcr & MCR_OUT2 != 0 || self.loopback();
        self.interrupt_id() != IIR_NONE && gate
    }

    /// 8.9: "whenever bit 0, 1, 2, or 3 is set to logic 1, a modem status interrupt is generated". TL16C750: CTS raises none
    /// while auto flow control is on.
    fn modem_status(&self) -> bool {
        let deltas = self.deltas();
        if self.auto_flow() { deltas & !MSR_DELTA_CTS != 0 } else { deltas != 0 }
    }
}
