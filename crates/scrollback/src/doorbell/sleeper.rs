//! The sleepers' side.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    time::{Duration, Instant},
};

use super::{
    event::{Event as _, EventFd},
    pace::Pace,
    place::Place,
};
use crate::{Reader, Scrollback};

/// Sleeps until a [`Doorbell`](crate::Doorbell) rings: a place among the doorbell's [sleepers](crate::Doorbell::MAX_SLEEPERS), with an
/// eventfd.
///
/// Remove the eventfd from your event loop before you drop this. The doorbell keeps it open for the next sleeper.
///
/// A thread that waits for nothing else calls [`wait`](Self::wait). A thread with an event loop adds the file descriptor to the loop, and
/// does these steps, in this order:
///
/// 1. read until nothing is left;
/// 2. [`rest`](Self::rest);
/// 3. wait until the file descriptor is readable, by `epoll` or `poll`, with others if need be, and no longer than `rest` says;
/// 4. [`acknowledge`](Self::acknowledge), and go to 1.
///
/// So the reader is woken for the first byte after a pause, and looks by the clock while output flows: the docs of
/// [`Doorbell`](crate::Doorbell) say what a wake-up costs. [`Pace`] says how often it looks.
///
/// A sleeper may wake for nothing. A producer may have taken the sleeper's bit in an earlier sleep, and ring late. That sleep may have been
/// another sleeper's, which had the place and its eventfd before.
#[derive(Debug)]
pub struct Sleeper {
    place: Place<EventFd>,
    pace: Pace,
    /// It has asked for a wake-up and not acknowledged since.
    asleep: bool,
}

/// What a reader does after it has read everything: see [`Sleeper::rest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the reader must look again at that time"]
pub enum Rest {
    /// Output flows, and no producer wakes the reader: look again at this time. It may have passed already.
    Until(Instant),
    /// Nothing has come for a while: the next byte makes the sleeper's file descriptor readable.
    Asleep,
}

impl Sleeper {
    pub(super) fn new(place: Place<EventFd>) -> Self {
        Self { place, pace: Pace::default(), asleep: false }
    }

    /// Sets how often the reader looks while output flows.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Says when to look again, at the time `now`, for a reader that has read all of `scrollback`: by the clock while output flows, and
    /// otherwise when the doorbell rings, for which this asks. Call it after each time that the reader has read everything. It makes no
    /// system call.
    ///
    /// A reader that can't go on (its socket is full) does not call this: it waits until it can. It calls
    /// [`forget_pace`](Self::forget_pace) then.
    pub fn rest(&mut self, scrollback: &Scrollback, now: Instant) -> Rest {
        if self.asleep {
            return Rest::Asleep;
        }
        if let Some(next) = self.pace.look(scrollback, now) {
            return Rest::Until(next);
        }
        // The reader has read all that the look before this one saw, and this one saw no more. What comes from here on is seen by the
        // look after arming, or rings.
        let seen = self.pace.seen();
        self.asleep = self.place.arm_unless(|| scrollback.end() != seen);
        if self.asleep {
            return Rest::Asleep;
        }
        // The first byte after a pause, at this moment.
        self.pace.reset();
        Rest::Until(now)
    }

    /// Forgets how fast output has come, because nobody reads, and so the time until the next look says nothing about it.
    pub fn forget_pace(&mut self) {
        self.pace.reset();
    }

    /// Asks for a wake-up for the very next byte, also while output flows. Look for data *again* before you sleep, and
    /// [acknowledge](Self::acknowledge) afterwards.
    ///
    /// This is for readers of what comes seldom, and for those that have no timer. Each wake-up costs the producer a system call: for a
    /// guest's output [`rest`](Self::rest) is right.
    pub fn arm_at_once(&mut self) {
        self.asleep = true;
        self.place.arm();
    }

    /// Asks for no more wake-ups, and makes the file descriptor unreadable. Returns whether it was readable.
    pub fn acknowledge(&mut self) -> bool {
        let rung = self.place.acknowledge();
        if std::mem::take(&mut self.asleep) || rung {
            self.pace.reset();
        }
        rung
    }

    /// Sleeps until `reader` is behind or until the time is up, at the sleeper's [pace](Pace): while output flows, it sleeps by the clock.
    /// Returns whether the reader is behind. Without a timeout it waits for ever. It returns early when somebody
    /// [rings](crate::Doorbell::ring) for all.
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
    ///     for byte in *b"login: " {
    ///         writer.push(byte);
    ///         doorbell.ring_if_armed();
    ///     }
    /// });
    /// let (mut log, mut buf) = (Vec::new(), [0; 16]);
    /// while log.len() < 7 {
    ///     sleeper.wait(&reader, None)?;
    ///     let read = reader.read(&mut buf);
    ///     log.extend_from_slice(&buf[..read.len()]);
    /// }
    /// assert_eq!(log, b"login: ");
    /// # guest.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `poll(2)`: there is too little memory, or the process may open no file.
    pub fn wait(&mut self, reader: &Reader, timeout: Option<Duration>) -> io::Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let now = Instant::now();
            let next = match self.rest(reader.scrollback(), now) {
                Rest::Until(next) => Some(deadline.map_or(next, |deadline| deadline.min(next))),
                // Nothing has come since the last look, but the caller may not have read all that it saw.
                Rest::Asleep if reader.is_behind() => Some(now),
                Rest::Asleep => deadline,
            };
            let waited = self.place.event().wait(next.map(|next| next.saturating_duration_since(now)));
            let rung = self.acknowledge();
            waited?;
            let behind = reader.is_behind();
            if behind || rung || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(behind);
            }
        }
    }

    /// Sleeps until `ready` returns true or until the time is up, and is woken for the very next byte, as
    /// [`arm_at_once`](Self::arm_at_once) says. Returns whether it is ready. Without a timeout it waits for ever. Use it to wait for
    /// anything but a flow of output.
    ///
    /// It calls `ready` before the first sleep, and twice after each wake-up.
    ///
    /// # Errors
    ///
    /// The error of `poll(2)`: there is too little memory, or the process may open no file.
    pub fn wait_at_once(
        &mut self,
        ready: impl FnMut() -> bool,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        self.asleep = false;
        self.place.wait(ready, timeout)
    }

    /// [`wait_at_once`](Self::wait_at_once) without asking for a wake-up: only [`Doorbell::ring`](crate::Doorbell::ring) ends the sleep
    /// before its time.
    pub(crate) fn pause(&mut self, ready: impl FnMut() -> bool, timeout: Duration) -> io::Result<bool> {
        self.place.pause(ready, timeout)
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.place.event().0.as_fd()
    }
}

impl AsRawFd for Sleeper {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
