//! The one file descriptor that an event loop waits for: an epoll instance with a timer in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use vuart_dispatch::TimerFd;

/// What has happened since the last look.
#[derive(Debug, Default, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may have happened")]
pub(crate) struct Happened {
    pub(crate) bell: bool,
    pub(crate) input: bool,
    pub(crate) output: bool,
    /// The output's other end has gone, which says nothing about room.
    pub(crate) hung_up: bool,
}

/// Why something is in the epoll instance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token {
    Bell,
    Timer,
    Input,
    Output,
}

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    timer: TimerFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let poller = Self { epoll, timer: TimerFd::new()? };
        poller.add(&poller.timer, Token::Timer, EventFlags::IN | EventFlags::ET)?;
        Ok(poller)
    }

    /// Waits for the doorbell, whose descriptor stays readable until it is acknowledged.
    pub(crate) fn add_bell(&self, bell: impl AsFd) -> io::Result<()> {
        Ok(self.add(bell, Token::Bell, EventFlags::IN)?)
    }

    /// Waits for input. It is told once for each time that some comes, so that a terminal that stays hung up wakes nobody. A
    /// regular file can't be waited for, and is always ready.
    pub(crate) fn add_input(&self, input: impl AsFd) -> io::Result<()> {
        match self.add(input, Token::Input, EventFlags::IN | EventFlags::RDHUP | EventFlags::ET) {
            Err(Errno::PERM) => Ok(()),
            added => Ok(added?),
        }
    }

    /// Waits until there is room for output. It is told once.
    pub(crate) fn add_output(&self, output: impl AsFd) -> io::Result<()> {
        Ok(self.add(output, Token::Output, EventFlags::OUT | EventFlags::ET)?)
    }

    fn add(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token as u64), flags)
    }

    /// Waits no longer for this. It comes before the descriptor is closed, because the VMM may have a copy of it.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        // It may not be there.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// What has happened. It does not wait.
    pub(crate) fn look(&mut self) -> io::Result<Happened> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 4];
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let count = match epoll::wait(&self.epoll, &mut events[..], Some(&zero)) {
            Err(Errno::INTR) => 0,
            count => count?,
        };
        let mut happened = Happened::default();
        for event in events.iter().take(count) {
            // Packed fields are copied out.
            let (data, flags) = (event.data, event.flags);
            match data.u64() {
                token if token == Token::Bell as u64 => happened.bell = true,
                token if token == Token::Timer as u64 => self.timer.acknowledge(),
                token if token == Token::Input as u64 => happened.input = true,
                _ if flags.intersects(EventFlags::OUT | EventFlags::ERR) => happened.output = true,
                _ => happened.hung_up = true,
            }
        }
        Ok(happened)
    }

    /// Makes the descriptor readable at this time, or by the timer never.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.timer.arm(deadline)
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
