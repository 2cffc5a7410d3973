//! The side of those who sleep.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    time::Duration,
};

use thiserror::Error;

use super::{Doorbell, event::EventFd, place::Place};

/// Why one more thread can't sleep on a doorbell.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SleeperError {
    /// There are as many as there can be.
    #[error("{} readers sleep on the same doorbell already", Doorbell::MAX_SLEEPERS)]
    TooMany,
    /// There are too many open files, or there is too little memory.
    #[error("no eventfd for a reader that sleeps: {0}")]
    Eventfd(#[source] io::Error),
}

/// One that sleeps until a [`Doorbell`] rings: a place among its [sleepers](Doorbell::MAX_SLEEPERS), with an eventfd for
/// itself. Take that out of your event loop before you drop this: the doorbell keeps it open for the next one.
///
/// A thread that has nothing else to wait for calls [`wait`](Self::wait). One with an event loop puts the file descriptor
/// into it, and does what [`wait`](Self::wait) does, in this order:
///
/// 1. work until there is nothing left to do;
/// 2. [`arm`](Self::arm);
/// 3. look again; if there is something to do after all, go to 1 (by way of 5);
/// 4. wait for the file descriptor to become readable, with `epoll` or `poll`, among others if need be;
/// 5. [`acknowledge`](Self::acknowledge), and go to 1.
///
/// A reader that can be late does not do this while output flows, but looks again after a while: see what a wake-up costs, in
/// the docs of [`Doorbell`].
///
/// It may be woken for nothing: by a producer that took its bit in an earlier sleep and was slow to ring, also when that was
/// the sleep of somebody who had the place, and its eventfd, before.
#[derive(Debug)]
pub struct Sleeper(pub(super) Place<EventFd>);

impl Sleeper {
    /// Asks for a wake-up. Look for data *again* before you sleep.
    pub fn arm(&mut self) {
        self.0.arm();
    }

    /// Asks for no more wake-ups, and makes the file descriptor unreadable. Says whether it had been rung.
    pub fn acknowledge(&mut self) -> bool {
        self.0.acknowledge()
    }

    /// Sleeps until `ready` says so, or the time is up: whether it is ready.
    ///
    /// `ready` is asked before the first sleep and after each wake-up, twice.
    ///
    /// ```
    /// use std::thread;
    ///
    /// use vuart_scrollback::{Doorbell, Scrollback};
    ///
    /// let (mut writer, scrollback) = Scrollback::new(4096)?;
    /// let mut reader = scrollback.reader_at(0);
    /// let doorbell = Doorbell::new();
    /// let mut sleeper = doorbell.sleeper()?;
    ///
    /// let guest = thread::spawn(move || {
    ///     writer.extend(b"login: ");
    ///     doorbell.ring_if_armed();
    /// });
    /// assert!(sleeper.wait(|| reader.is_behind(), None)?);
    /// let mut buf = [0; 16];
    /// let read = reader.read(&mut buf);
    /// assert_eq!(&buf[..read.len()], b"login: ");
    /// # guest.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `poll(2)` reports, which is that there is too little memory, or that the process may open no file.
    pub fn wait(&mut self, ready: impl FnMut() -> bool, timeout: Option<Duration>) -> io::Result<bool> {
        self.0.wait(ready, timeout)
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event().0.as_fd()
    }
}

impl AsRawFd for Sleeper {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
