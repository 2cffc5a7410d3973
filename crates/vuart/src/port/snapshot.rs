//! Snapshots: a port's state as data, and a port that goes on from it.

use vm_superio::Trigger;
use vuart_16550::Uart;
use vuart_16550::spec::Msr;
use vuart_endpoint::Symbol;
use vuart_scrollback::Writer;

use super::SerialPort;
use crate::receive::{self, FIFO, Receive};
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
        })
    }
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// A port that goes on from `state`. `uart` is the chip of that state, and the next byte of `output` has its offset.
    pub(crate) fn restored(trigger: T, uart: Uart, output: Writer, state: &PortStateV3) -> Self {
        let mut inputs = state.modem_inputs();
        inputs.set(Msr::DCD, inputs.contains(Msr::DCD) || state.dropped);
        // What came from the host is before what came by loopback.
        let unread = usize::from(uart.received() - state.looped);
        let taken: Vec<Symbol> =
            uart.unread().take(unread).map(|(data, errors)| receive::symbol(data, errors)).collect();
        let (pause, run, looped) = (state.pause.into(), state.run, state.looped);
        let receive = |input| Receive::new(input, pause, run, looped);
        let (waiting, dropped) = (&state.waiting, state.dropped);
        let mut port = Self::wired(trigger, uart, output, (&taken, waiting), receive, inputs, dropped);
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
