//! The event loop's side: a timer that gets the last bytes out of the kernel.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::collector::{Next, Shared, Ticked};
use crate::sync::Ordering::Relaxed;
use crate::sys;

/// The time between two ticks. What a guest has written last waits in the kernel for one to two of them: a person does not notice.
pub const PERIOD: Duration = Duration::from_millis(10);

/// A timerfd that expires once for each time that it is armed.
///
/// It is armed under the device's lock when the zone is registered, and on the ticker's thread after each tick that has found a zone. Nobody
/// stops it. So no order of the two can leave a zone without a timer; the worst is a tick that finds no zone.
#[derive(Debug)]
pub(crate) struct Timer(File);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(sys::timerfd()?.into()))
    }

    /// Lets it expire after [`PERIOD`].
    pub(crate) fn arm(&self) -> io::Result<()> {
        sys::set_timer(self.0.as_fd(), PERIOD)
    }

    /// Lets it expire at once.
    fn expire(&self) -> io::Result<()> {
        sys::set_timer(self.0.as_fd(), Duration::from_nanos(1))
    }

    /// Takes an expiry. Returns whether there was one.
    fn take_expiry(&self) -> io::Result<bool> {
        loop {
            return match (&self.0).read(&mut [0; 8]) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

/// The event loop's side of a collector. Its file descriptor is readable when a tick is due.
///
/// Nothing is collected before it is dispatched for the first time, so one that hangs in no event loop loses nothing.
#[derive(Debug)]
#[must_use = "nothing is collected before it is dispatched"]
pub struct Ticker(Arc<Shared>);

impl Ticker {
    pub(crate) fn new(shared: Arc<Shared>) -> io::Result<Self> {
        // The first wait ends at once, and the dispatch after it begins.
        shared.timer.expire()?;
        Ok(Self(shared))
    }

    /// Does what is due. It never blocks, and a call too many does no harm.
    ///
    /// `try_tick` calls [`Collector::tick`](crate::Collector::tick) under the device's lock, if that is free, and returns what it says. If the
    /// lock is taken, it returns `None` and does not wait. If the device is gone, it returns [`Ticked::GONE`].
    ///
    /// # Errors
    ///
    /// The timer fails.
    pub fn dispatch(&mut self, try_tick: impl FnOnce() -> Option<Ticked>) -> io::Result<()> {
        let is_due = self.0.timer.take_expiry()?;
        // Relaxed: see the field. This thread alone sets it, so a load that is older than the store would be its own.
        let is_first = !self.0.is_dispatched.load(Relaxed);
        if is_first {
            self.0.is_dispatched.store(true, Relaxed);
        } else if is_due && self.tick(try_tick) {
            self.0.timer.arm()?;
        }
        Ok(())
    }

    /// A tick, whatever the timer says: for a test. Returns whether another is wanted.
    pub fn tick(&self, try_tick: impl FnOnce() -> Option<Ticked>) -> bool {
        if self.0.ticks.fetch_add(1, Relaxed) == 0 {
            // A vCPU has been inside since the last tick, and drained then. This tick is left to the next that comes. If none comes, the next
            // tick finds this one untaken.
            return true;
        }
        match try_tick() {
            Some(ticked) => self.finish(ticked),
            None => true,
        }
    }

    /// Does what is left after the lock is free again: removes the zone if that was asked for. Returns whether a tick is wanted.
    pub fn finish(&self, Ticked(next): Ticked) -> bool {
        if next == Next::Remove {
            self.0.remove();
        }
        next != Next::Rest
    }
}

impl AsFd for Ticker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.timer.0.as_fd()
    }
}
