//! The event that a thread sleeps on.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{Errno, read, write},
};

/// An event that stays set until it is cleared. One thread can wait for it.
pub(crate) trait Event {
    /// Sets it. Does not block.
    fn set(&self);

    /// Clears it. Returns whether it was set. Does not block.
    fn clear(&self) -> bool;

    /// Waits until it is set or the time is up. May return early for no reason.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()>;
}

/// An `eventfd(2)` that does not block.
#[derive(Debug)]
pub(crate) struct EventFd(pub(crate) OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }
}

impl Event for EventFd {
    fn set(&self) {
        // The only failure is EAGAIN: the counter is full, so the file descriptor is readable.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    fn clear(&self) -> bool {
        // The only failure is EAGAIN: it was not set.
        read(&self.0, &mut [0; 8]).is_ok()
    }

    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        // A time that is too long for the type is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
