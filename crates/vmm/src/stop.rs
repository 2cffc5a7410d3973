//! The request to stop a guest.

use std::sync::atomic::{AtomicBool, Ordering};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use crate::Error;

/// The request, shared between the machine's owner and the guest's thread. It can't be withdrawn.
#[derive(Debug)]
pub(crate) struct Stop {
    requested: AtomicBool,
    event: EventFd,
}

impl Stop {
    /// No request.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { requested: AtomicBool::new(false), event: event()? })
    }

    /// Makes the request.
    pub(crate) fn request(&self) {
        // Before the event and before any signal, so that the thread that they wake finds the request.
        self.requested.store(true, Ordering::Release);
        // It fails only when the counter is full. The event is readable then.
        let _ = self.event.write(1);
    }

    /// Whether the request has been made.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// An event that is readable from the request on.
    pub(crate) fn event(&self) -> &EventFd {
        &self.event
    }
}

/// Makes an event for the machine.
pub(crate) fn event() -> Result<EventFd, Error> {
    EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)
        .map_err(|source| Error::Host { operation: "make an event for the machine", source })
}
