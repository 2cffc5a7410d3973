//! Any part as a subscriber of rust-vmm's `event-manager`.

use std::os::fd::AsRawFd as _;

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};

use crate::Dispatch;

/// Makes any part a subscriber of rust-vmm's `event-manager`: a `Local`, the ticks of a coalesced port. A `Server` is one by itself.
///
/// With the feature `event-manager`. It adds the part's one file descriptor. What goes wrong is logged.
///
/// ```
/// # use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
/// # struct Local(OwnedFd);
/// # impl AsFd for Local { fn as_fd(&self) -> BorrowedFd<'_> { self.0.as_fd() } }
/// # impl Dispatch for Local {
/// #     fn dispatch(&mut self) -> std::io::Result<()> { Ok(()) }
/// #     fn is_settled(&self) -> bool { true }
/// # }
/// # let local = std::os::unix::net::UnixStream::pair().map(|(end, _)| Local(end.into()))?;
/// use std::sync::{Arc, Mutex};
///
/// use event_manager::{EventManager, MutEventSubscriber, SubscriberOps as _};
/// use vuart_dispatch::{Dispatch, Subscriber};
///
/// let mut events = EventManager::<Arc<Mutex<dyn MutEventSubscriber>>>::new()?;
/// events.add_subscriber(Arc::new(Mutex::new(Subscriber(local))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Subscriber<D>(
    /// The part.
    pub D,
);

impl<D: Dispatch> Subscriber<D> {
    fn dispatch(&mut self) {
        if let Err(error) = self.0.dispatch() {
            log::error!("a part of a console can't go on: {error}");
        }
    }
}

impl<D: Dispatch> MutEventSubscriber for Subscriber<D> {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        if let Err(error) = ops.add(Events::new_raw(self.0.as_fd().as_raw_fd(), EventSet::IN)) {
            log::error!("a part of a console can't be added to the event loop: {error}");
        }
        self.dispatch();
    }

    fn process(&mut self, _events: Events, _ops: &mut EventOps<'_>) {
        self.dispatch();
    }
}
