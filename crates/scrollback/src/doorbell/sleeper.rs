//! The sleepers' side.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    time::Duration,
};

use super::{event::EventFd, place::Place};

/// Sleeps until a [`Doorbell`](crate::Doorbell) rings: a place among the doorbell's [sleepers](crate::Doorbell::MAX_SLEEPERS), with an
/// eventfd.
///
/// Remove the eventfd from your event loop before you drop this. The doorbell keeps it open for the next sleeper.
///
/// A thread that waits for nothing else calls [`wait`](Self::wait). A thread with an event loop adds the file descriptor to the loop, and
/// does the same steps as [`wait`](Self::wait), in this order:
///
/// 1. work until nothing is left;
/// 2. [`arm`](Self::arm);
/// 3. look again; if there is work after all, go to 5;
/// 4. wait until the file descriptor is readable, by `epoll` or `poll`, with others if need be;
/// 5. [`acknowledge`](Self::acknowledge), and go to 1.
///
/// A reader that may be late should not do this while output flows. It should look again after a while: the docs of
/// [`Doorbell`](crate::Doorbell) say what a wake-up costs.
///
/// A sleeper may wake for nothing. A producer may have taken the sleeper's bit in an earlier sleep, and ring late. That sleep may have been
/// another sleeper's, which had the place and its eventfd before.
#[derive(Debug)]
pub struct Sleeper(pub(super) Place<EventFd>);

impl Sleeper {
    /// Asks for a wake-up. Look for data *again* before you sleep.
    pub fn arm(&mut self) {
        self.0.arm();
    }

    /// Asks for no more wake-ups, and makes the file descriptor unreadable. Returns whether it was readable.
    pub fn acknowledge(&mut self) -> bool {
        self.0.acknowledge()
    }

    /// Sleeps until `ready` returns true or until the time is up. Returns whether it is ready. Without a timeout it waits for ever.
    ///
    /// It calls `ready` before the first sleep, and twice after each wake-up.
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
    /// The error of `poll(2)`: there is too little memory, or the process may open no file.
    pub fn wait(&mut self, ready: impl FnMut() -> bool, timeout: Option<Duration>) -> io::Result<bool> {
        self.0.wait(ready, timeout)
    }

    /// [`wait`](Self::wait) without asking for a wake-up: only [`Doorbell::ring`](crate::Doorbell::ring) ends the sleep before its time.
    pub(crate) fn pause(&mut self, ready: impl FnMut() -> bool, timeout: Duration) -> io::Result<bool> {
        self.0.pause(ready, timeout)
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
