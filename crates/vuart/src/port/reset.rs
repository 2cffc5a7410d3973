//! The reset of the guest: the registers begin anew, and the console goes on.

use vm_superio::Trigger;

use super::SerialPort;
use crate::edge::Edge;

impl<T: Trigger> SerialPort<T> {
    /// Resets the port because its guest is reset, and marks the beginning of a boot. Returns the offset at which the boot's output begins.
    ///
    /// Call it whenever the VMM resets the guest, whoever asked for that (a reset register, ACPI, the keyboard controller, a triple fault,
    /// a vfio-user client), while the vCPUs are stopped, or on the thread of the one that runs. A VMM that lets KVM
    /// [coalesce](crate::coalescing) output drains it first.
    ///
    /// What begins anew:
    ///
    /// * The registers are as at power-on, and the receiver is empty. The interrupt line is low.
    /// * The modem outputs fall, and a break ends. The console is told of the reset. It does not take the fall of DTR for a hang-up unless
    ///   its [policy](vuart_endpoint::Policy::detach_on_reset) says so.
    /// * DCD is no longer low for a hang-up, and a hang-up that the guest has not seen is forgotten: its login session is gone.
    ///
    /// What goes on:
    ///
    /// * The console with its sessions, the ring and its offsets, the counters.
    /// * What was typed and the guest has not read: also what the receiver had taken, which goes back to the front of the queue.
    /// * The modem inputs as the VMM [drives](Self::set_modem_inputs) them. They show no change.
    /// * A recording: the trace has a line `reset`.
    ///
    /// ```
    /// # use vuart::{SerialPort, scrollback::Position, uart::spec::offset::*};
    /// let mut port = SerialPort::new(|| ());
    /// port.write_string(THR.into(), b"the first boot");
    /// port.write_register(MCR, 0x1B); // loopback, and the guest is reset
    ///
    /// assert_eq!(port.reset(), 14);
    /// assert_eq!(port.read_register(MCR), 0x08);
    /// port.write_string(THR.into(), b"the second");
    /// let scrollback = port.console().scrollback();
    /// assert_eq!((scrollback.offset(Position::Boot), scrollback.end()), (14, 24));
    /// ```
    pub fn reset(&mut self) -> u64 {
        self.cache.clear();
        let unread = self.receive.unread(&self.chip);
        // Before the console is told, which may look where the boot begins.
        let boot = self.output.mark();
        self.modem.reset(&mut self.chip);
        self.receive.reset(unread, &mut self.edge);
        self.flow.reset();
        self.obey_flow();
        self.edge = Edge::default();
        self.settle();
        boot
    }
}
