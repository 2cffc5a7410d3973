//! Snapshots: a port's state as data, and a port that goes on from it.

use vm_superio::Trigger;
use vuart_16550::Uart;
use vuart_16550::spec::Msr;
use vuart_scrollback::Writer;

use super::SerialPort;
use crate::receive::FIFO;
use crate::state::{PortState, PortStateV2};

impl<T: Trigger> SerialPort<T> {
    /// Takes a snapshot of the state, between two accesses of the guest. Nothing changes, so the guest may go on.
    ///
    /// End the sessions first (`console().end(...)`) if the port is to go on elsewhere: input that is typed after this call is not in the
    /// state. [`PortBuilder::restore`](crate::PortBuilder::restore) makes a port from it.
    pub fn state(&self) -> PortState {
        PortState::V2(PortStateV2 {
            uart: self.chip.state(),
            offset: self.output.end(),
            waiting: self.receive.waiting(),
            drop_due: self.modem.drop_is_due(),
            dropped: self.modem.is_dropped(),
        })
    }
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// A port that goes on from `state`. `uart` is the chip of that state, and the next byte of `output` has its offset.
    pub(crate) fn restored(trigger: T, uart: Uart, output: Writer, state: &PortStateV2) -> Self {
        let mut inputs = state.modem_inputs();
        inputs.set(Msr::DCD, inputs.contains(Msr::DCD) || state.dropped);
        let mut port = Self::wired(trigger, uart, output, &state.waiting, inputs, state.dropped);
        if state.drop_due {
            // The guest does not listen yet, so this announces nothing. If the guest listens, `settle` interrupts it.
            port.console.carrier().hang_up();
        }
        let (chip, edge) = (&mut port.chip, &mut port.edge);
        port.modem.tell_outputs(chip);
        // The console was told of a break where it began.
        let _ = port.console.carrier().guest_breaks();
        if chip.awaits_modem_status() {
            port.modem.listen(chip, edge);
        }
        port.receive.settle::<FIFO>(chip, edge);
        port.settle();
        port
    }
}
