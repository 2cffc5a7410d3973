//! The modem inputs and outputs.

use super::Model;
use crate::register::{
    LCR_BREAK, MCR_DTR, MCR_OUT1, MCR_OUT2, MCR_RTS, MSR_CTS, MSR_DCD, MSR_DELTA_CTS, MSR_DELTA_DCD,
    MSR_DELTA_DSR, MSR_DSR, MSR_INPUTS, MSR_RI, MSR_TRAILING_EDGE_RI,
};

impl Model {
    /// Sets CTS, DSR, RI and DCD for the host: bits 4 to 7, as in MSR.
    pub fn set_modem_inputs(&mut self, inputs: u8) {
        self.pins = inputs & MSR_INPUTS;
        self.settle();
    }

    /// Returns the pins DTR, RTS, OUT1 and OUT2: bits 0 to 3, as in MCR. 8.8, bit 4: in loopback they "are forced to their
    /// inactive state".
    pub fn modem_outputs(&self) -> u8 {
        if self.loopback() { 0 } else { self.outputs() }
    }

    /// Tells whether the UART sends a break. In loopback SOUT "is set to the Marking (logic 1) state" (8.8, bit 4).
    pub fn break_out(&self) -> bool {
        self.lcr & LCR_BREAK != 0 && !self.loopback()
    }

    /// Returns the outputs that MCR asks for, without RTS while auto-RTS holds the sender.
    fn outputs(&self) -> u8 {
        let outputs = self.mcr & (MCR_DTR | MCR_RTS | MCR_OUT1 | MCR_OUT2);
        if self.held { outputs & !MCR_RTS } else { outputs }
    }

    /// Returns the inputs that the guest sees. 8.8, bit 4: in loopback "the four MODEM control outputs are internally connected
    /// to the four MODEM control inputs". 8.9, bits 4 to 7, says which output is connected to which input.
    fn inputs_now(&self) -> u8 {
        if !self.loopback() {
            return self.pins;
        }
        let wires = [(MCR_RTS, MSR_CTS), (MCR_DTR, MSR_DSR), (MCR_OUT1, MSR_RI), (MCR_OUT2, MSR_DCD)];
        let outputs = self.outputs();
        wires.into_iter().filter(|&(output, _)| outputs & output != 0).map(|(_, input)| input).sum()
    }

    /// Returns MSR bits 7:4, as last recorded.
    pub(super) fn inputs(&self) -> u8 {
        self.inputs.last().copied().unwrap_or_default()
    }

    /// Records the inputs if they have changed.
    pub(super) fn watch_the_modem(&mut self) {
        let now = self.inputs_now();
        if now != self.inputs() {
            self.inputs.push(now);
        }
    }

    /// Returns the inputs that have changed since the last read (8.9, bits 0 to 3). RI counts only "from a low to a high state".
    /// The pin is inverted, so that is from active to inactive.
    pub(super) fn deltas(&self) -> u8 {
        let history = || self.inputs.windows(2).map(|pair| (pair[0], pair[1]));
        let changed = |input: u8| history().any(|(before, after)| (before ^ after) & input != 0);
        let ended = |input: u8| history().any(|(before, after)| before & !after & input != 0);
        let table = [
            (changed(MSR_CTS), MSR_DELTA_CTS),
            (changed(MSR_DSR), MSR_DELTA_DSR),
            (ended(MSR_RI), MSR_TRAILING_EDGE_RI),
            (changed(MSR_DCD), MSR_DELTA_DCD),
        ];
        table.into_iter().filter(|&(set, _)| set).map(|(_, delta)| delta).sum()
    }

    /// 8.9: the deltas are reset "whenever the CPU reads the MODEM status register".
    pub(super) fn read_msr(&mut self) -> u8 {
        let inputs = self.inputs();
        let msr = inputs | self.deltas();
        self.inputs = vec![inputs];
        msr
    }
}
