//! Snapshots: a port's state as data, and a port that goes on from it.

use vm_superio::Trigger;
use vuart_16550::Uart;
use vuart_16550::spec::Msr;
use vuart_endpoint::Symbol;
use vuart_scrollback::Writer;

use super::{Beginning, SerialPort};
use crate::flow::{Flow, FlowControl};
use crate::receive::{self, FIFO};
use crate::state::{PortState, PortStateV3};

impl<T: Trigger> SerialPort<T> {
    /// Takes a snapshot of the state, between two accesses of the guest. Nothing changes, so the guest may go on.
    ///
    /// End the sessions first (`console().end(...)`) if the port is to go on elsewhere: input that is typed after this call is not in the
    /// state. [`PortBuilder::restore`](crate::PortBuilder::restore) makes a port from it.
    pub fn state(&self) -> PortState {
        PortState::V3(PortStateV3 {
            uart: self.chip.state(),
            offset: self.output.end(),
            waiting: self.receive.waiting(),
            drop_due: self.modem.drop_is_due(),
            dropped: self.modem.is_dropped(),
            looped: self.receive.looped(&self.chip),
            run: self.receive.run(),
            pause: self.receive.pause().into(),
            flow: self.flow.state(),
        })
    }
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// A port that goes on from `state`. `uart` is the chip of that state, and the next byte of `output` has its offset.
    pub(crate) fn restored(
        trigger: T,
        uart: Uart,
        output: Writer,
        state: &PortStateV3,
        control: FlowControl,
    ) -> Self {
        let mut inputs = state.modem_inputs();
        inputs.set(Msr::DCD, inputs.contains(Msr::DCD) || state.dropped);
        // What came from the host is before what came by loopback.
        let unread = usize::from(uart.received() - state.looped);
        let taken: Vec<Symbol> =
            uart.unread().take(unread).map(|(data, errors)| receive::symbol(data, errors)).collect();
        let beginning = Beginning {
            taken: &taken,
            waiting: &state.waiting,
            pause: state.pause.into(),
            run: state.run,
            looped: state.looped,
            modem_inputs: inputs,
            drop_due: state.drop_due,
            dropped: state.dropped,
            flow: Flow::restored(control, state.flow),
        };
        let mut port = Self::wired(trigger, uart, output, &beginning);
        // RTS as the registers have it: a state of an older version says nothing of it.
        port.flow.hear_rts(&port.chip);
        port.obey_flow();
        let (chip, edge) = (&mut port.chip, &mut port.edge);
        port.modem.resume(chip);
        // If the guest listens for a hang-up that is due, `settle` interrupts it.
        if chip.awaits_modem_status() {
            port.modem.listen(chip, edge);
        }
        port.receive.settle::<FIFO>(chip, edge);
        port.settle();
        port
    }
}
