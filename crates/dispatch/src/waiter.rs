//! What a thread waits with: for its parts, and for the request to stop.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// The most events that are fetched at once. It bounds nothing: those that are left are fetched by the next wait.
const AT_ONCE: usize = 64;

/// The longest wait. Whoever waits for longer is woken each day.
const DAY: Duration = Duration::from_secs(86_400);

/// The number of the request to stop, among those of the parts.
const STOP: u64 = u64::MAX;

/// An epoll instance with the parts' file descriptors.
#[derive(Debug)]
pub(crate) struct Waiter {
    epoll: OwnedFd,
}

/// What a thread is woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The part of that number has something to do.
    Part(usize),
    /// The thread is to stop. This is reported once.
    Stop,
}

impl Waiter {
    /// Makes one, and the event that asks to stop.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered: nobody needs to read it.
        epoll::add(&epoll, &stop, EventData::new_u64(STOP), EventFlags::IN | EventFlags::ET)?;
        Ok((Self { epoll }, stop))
    }

    /// Waits for the part of this number as well.
    pub(crate) fn add(&self, number: usize, part: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, part, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// Waits for a part no more.
    pub(crate) fn remove(&self, part: BorrowedFd<'_>) {
        // Only a file descriptor that is not there can't be removed.
        let _ = epoll::delete(self.epoll.as_fd(), part);
    }

    /// Waits until there is something, or for so long. `None` is for ever.
    pub(crate) fn wait(&self, patience: Option<Duration>) -> io::Result<Vec<Wake>> {
        let patience = patience.map(|patience| {
            // `epoll::wait` rounds up to whole milliseconds, in which the system counts: so the loop does not spin for less.
            Timespec::try_from(patience.min(DAY)).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 })
        });
        let mut room = [MaybeUninit::uninit(); AT_ONCE];
        loop {
            match epoll::wait(&self.epoll, &mut room, patience.as_ref()) {
                Ok((events, _)) => return Ok(events.iter().map(|event| wake(event.data.u64())).collect()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn wake(number: u64) -> Wake {
    match number {
        STOP => Wake::Stop,
        number => Wake::Part(usize::try_from(number).unwrap_or(usize::MAX)),
    }
}
