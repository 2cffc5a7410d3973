//! What takes the place of Firecracker's `src/vmm/src/devices/legacy/serial.rs`, `DeviceManager::setup_serial_device`, and
//! `persist::SerialState` with its conversions.

use std::path::PathBuf;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use event_manager::SubscriberOps as _;
use vuart::local::{Limit, Local};
use vuart::server::{Server, ServerOptions, Sockets};
use vuart::{CoalescedPort, EventFd, PortBuilder, PortState, dispatch::Subscriber};

// What Firecracker has, and the two functions of `std` that the tests put pipes behind.
use super::stand_ins::{
    BusDevice, EFD_NONBLOCK, Error, EventFdTrigger, EventManager, TokenBucket, open_file_nonblock, stdin,
    stdout,
};

/// COM1, for the bus. One more handle is in the device manager.
pub(crate) type SerialDevice = CoalescedPort<EventFdTrigger>;

impl BusDevice for SerialDevice {
    fn read(&mut self, _base: u64, offset: u64, data: &mut [u8]) {
        CoalescedPort::read(self, offset, data);
    }

    fn write(&mut self, _base: u64, offset: u64, data: &[u8]) -> Option<Arc<Barrier>> {
        CoalescedPort::write(self, offset, data);
        None
    }
}

/// `DeviceManager::setup_serial_device`, with the sockets as one argument more. `PortState` is in the snapshot as it is.
pub(crate) fn setup_serial_device(
    event_manager: &mut EventManager,
    output: Option<&PathBuf>,
    state: Option<&PortState>,
    limiter: Option<TokenBucket>,
    sockets: Sockets,
) -> Result<Arc<Mutex<SerialDevice>>, Error> {
    let irq = EventFdTrigger::new(EventFd::new(EFD_NONBLOCK)?);
    let port = PortBuilder::new().build_or_restore(state, irq)?;
    let limit = limiter.map(|it| Limit::refilled(it.capacity(), Duration::from_millis(it.refill_time_ms())));
    let local = match output {
        Some(path) => Local::builder(port.console()).with_output(open_file_nonblock(path)?),
        None => Local::builder(port.console()).with_input(stdin()).with_output(stdout()),
    };
    let local = local.with_label("stdio").with_limit(limit).build()?;
    let server = Server::new("serial", port.console().clone(), sockets, ServerOptions::default())?;
    event_manager.add_subscriber(Arc::new(Mutex::new(Subscriber(local))));
    event_manager.add_subscriber(Arc::new(Mutex::new(server)));
    Ok(Arc::new(Mutex::new(SerialDevice::new(port))))
}
