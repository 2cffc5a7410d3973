//! The server as a subscriber of rust-vmm's `event-manager`.

use std::os::fd::AsRawFd as _;

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use vuart_dispatch::Dispatch as _;

use crate::server::Server;

/// With the feature `event-manager`. It adds the server's one file descriptor.
impl MutEventSubscriber for Server {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        if let Err(error) = ops.add(Events::new_raw(self.as_raw_fd(), EventSet::IN)) {
            log::error!("console {}: can't be served: {error}", self.name());
        }
        self.serve();
    }

    fn process(&mut self, _events: Events, _ops: &mut EventOps<'_>) {
        self.serve();
    }
}

impl Server {
    fn serve(&mut self) {
        if let Err(error) = self.dispatch() {
            log::error!("console {}: can't be served: {error}", self.name());
        }
    }
}
