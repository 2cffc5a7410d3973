//! What takes the place of Cloud Hypervisor's `devices/src/legacy/serial.rs`. Its `Snapshottable`, `Pausable`, `Transportable` and
//! `Migratable` stay as they are.

use std::sync::{Arc, Barrier};

use vuart::interrupt::{BoxedCallback, Callback};
use vuart::{CoalescedPort, PortBuilder, PortState, RestorePortError};

// What Cloud Hypervisor has.
use super::stand_ins::{BusDevice, InterruptSourceGroup};

/// COM1, for the bus and the snapshot.
pub(crate) struct Serial {
    pub(crate) id: String,
    pub(crate) port: CoalescedPort<BoxedCallback>,
}

impl Serial {
    /// With the state as `state_from_id` gives it, as today.
    pub(crate) fn new(
        id: String,
        interrupt: Arc<dyn InterruptSourceGroup>,
        state: Option<&PortState>,
    ) -> Result<Self, RestorePortError> {
        let irq = Callback::boxed(move || interrupt.trigger(0));
        let port = PortBuilder::new().build_or_restore(state, irq)?;
        Ok(Self { id, port: CoalescedPort::new(port) })
    }

    pub(crate) fn state(&self) -> PortState {
        self.port.state()
    }
}

impl BusDevice for Serial {
    fn read(&mut self, _base: u64, offset: u64, data: &mut [u8]) {
        self.port.read(offset, data);
    }

    fn write(&mut self, _base: u64, offset: u64, data: &[u8]) -> Option<Arc<Barrier>> {
        self.port.write(offset, data);
        None
    }
}
