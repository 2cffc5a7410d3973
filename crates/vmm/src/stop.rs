//! The request that a guest leave.

use std::sync::atomic::{AtomicBool, Ordering};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use crate::Error;

/// The request, shared between the machine's owner and the guest's thread. Once made it stays.
#[derive(Debug)]
pub(crate) struct Stop {
    requested: AtomicBool,
    event: EventFd,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { requested: AtomicBool::new(false), event: event()? })
    }

    pub(crate) fn request(&self) {
        // Before the event and before any signal: whoever is woken finds it.
        self.requested.store(true, Ordering::Release);
        // It fails only when the counter is full, and then the event is as readable as can be.
        let _ = self.event.write(1);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Readable from the request on.
    pub(crate) fn event(&self) -> &EventFd {
        &self.event
    }
}

/// An event of the machine.
pub(crate) fn event() -> Result<EventFd, Error> {
    EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)
        .map_err(|source| Error::Host { operation: "make an event for the machine", source })
}
