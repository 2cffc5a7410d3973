//! What a server needs of an event loop. [`subscriber`](crate::subscriber) is the adapter for rust-vmm's.

use std::io;
use std::os::fd::BorrowedFd;

/// The directions in which a file descriptor is ready, or in which to wait until it is.
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
}

/// What the event loop reports of a file descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// The number that the file descriptor was [added](Poller::add) with.
    pub(crate) token: u32,
    pub(crate) ready: Ready,
    /// The other end is closed, or the file descriptor has failed.
    pub(crate) hung_up: bool,
}

/// An event loop: level-triggered, as epoll and poll are. A hang-up is reported whatever is waited for.
pub(crate) trait Poller {
    /// Waits on a file descriptor, and reports it as `token`.
    fn add(&mut self, fd: BorrowedFd<'_>, token: u32, until: Ready) -> io::Result<()>;

    /// Changes the directions to wait for.
    fn modify(&mut self, fd: BorrowedFd<'_>, token: u32, until: Ready) -> io::Result<()>;

    /// Stops waiting on a file descriptor. One that is not waited on is ignored.
    fn remove(&mut self, fd: BorrowedFd<'_>);
}
