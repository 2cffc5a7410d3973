//! The directions in which a file descriptor is ready, in the terms of rust-vmm's `event-manager`.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use event_manager::{EventSet, Events};

/// The directions in which a file descriptor is ready, or in which to wait until it is. A hang-up is reported in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Ready {
    pub(crate) const NEITHER: Self = Self { read: false, write: false };
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };
    pub(crate) const BOTH: Self = Self { read: true, write: true };

    /// What to tell the event loop to wait for these directions of a file descriptor, and to report it as `token`.
    pub(crate) fn of(self, fd: BorrowedFd<'_>, token: u32) -> Events {
        let mut set = EventSet::empty();
        set.set(EventSet::IN, self.read);
        set.set(EventSet::OUT, self.write);
        Events::with_data_raw(fd.as_raw_fd(), token, set)
    }
}
