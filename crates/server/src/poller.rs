//! The epoll instance of a server: everything that it waits for, behind one file descriptor.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::ready::Ready;

/// The most events that are fetched at once. The server makes a pass for each, so this is how long the thread's other parts wait.
const AT_ONCE: usize = 16;

/// The longest wait. Whoever waits for longer looks each day.
const DAY: Duration = Duration::from_secs(86_400);

/// An epoll instance, and the events of the last look at it.
///
/// Each file descriptor has a token, a number by which it is reported. None is reported that was removed after its event was fetched.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// What was fetched and is not handled, the first one last.
    fetched: Vec<Event>,
}

/// A file descriptor is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) token: u32,
    pub(crate) ready: Ready,
    /// The other end is closed, or the file descriptor has failed.
    pub(crate) hung_up: bool,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, fetched: Vec::with_capacity(AT_ONCE) })
    }

    /// Waits for these directions of a file descriptor from now on, as long as it is ready.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u32, until: Ready) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, data(token), flags(until))?)
    }

    /// Waits for a file descriptor to *become* readable from now on. It is reported once each time, whether it is read or not.
    pub(crate) fn add_edge(&self, fd: BorrowedFd<'_>, token: u32) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, data(token), EventFlags::IN | EventFlags::ET)?)
    }

    /// Waits for other directions.
    pub(crate) fn modify(&self, fd: BorrowedFd<'_>, token: u32, until: Ready) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, data(token), flags(until))?)
    }

    /// Waits for it no more, if it did.
    pub(crate) fn remove(&mut self, fd: BorrowedFd<'_>, token: u32) {
        // It fails if the file descriptor was not there.
        let _ = epoll::delete(&self.epoll, fd);
        self.fetched.retain(|event| event.token != token);
    }

    /// Waits for an event for so long (`None`: for ever), and fetches those that there are: [`next`](Self::next) has them.
    pub(crate) fn fetch(&mut self, patience: Option<Duration>) -> io::Result<()> {
        // `epoll::wait` rounds up to whole milliseconds, in which the system counts.
        let patience = patience.map(|patience| {
            Timespec::try_from(patience.min(DAY)).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 })
        });
        let mut room = [MaybeUninit::uninit(); AT_ONCE];
        loop {
            match epoll::wait(&self.epoll, &mut room, patience.as_ref()) {
                Ok((events, _)) => {
                    self.fetched.clear();
                    self.fetched.extend(events.iter().rev().map(|event| Event::from(*event)));
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether there may be more events than were fetched.
    pub(crate) fn is_full(&self) -> bool {
        self.fetched.len() == AT_ONCE
    }

    /// The next event that was fetched.
    pub(crate) fn next(&mut self) -> Option<Event> {
        self.fetched.pop()
    }
}

impl From<epoll::Event> for Event {
    fn from(event: epoll::Event) -> Self {
        let epoll::Event { flags, data, .. } = event;
        Self {
            // Only tokens were given to it.
            token: u32::try_from(data.u64()).unwrap_or(u32::MAX),
            ready: Ready { read: flags.contains(EventFlags::IN), write: flags.contains(EventFlags::OUT) },
            hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        }
    }
}

/// Readable when an event can be [fetched](Poller::fetch).
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn data(token: u32) -> EventData {
    EventData::new_u64(token.into())
}

fn flags(ready: Ready) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, ready.read);
    flags.set(EventFlags::OUT, ready.write);
    flags
}
