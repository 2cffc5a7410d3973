//! The server in an event loop: what it does for the events of its file descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use vuart_dispatch::Dispatch;

use super::{Server, token};
use crate::poller::Event;

/// Readable when there is something to [dispatch](Dispatch::dispatch): an epoll instance with all that the server waits for.
impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

/// For libraries that know file descriptors by their numbers.
impl AsRawFd for Server {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// # In an edge-triggered loop
///
/// The epoll instance wakes the loop when one of its file descriptors *becomes* ready. One that is ready still, because the events of one
/// call are bounded, wakes nobody. So the call looks once more at its end, and if something is left, it lets its own timer expire at once.
/// A call that had only the doorbell or the timer to serve leaves nothing, and does not look: that is each call while output flows.
impl Dispatch for Server {
    fn dispatch(&mut self) -> io::Result<()> {
        if self.dispatch_once(Duration::ZERO)? {
            self.call_again();
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }

    fn shut_down(&mut self) {
        self.go();
    }
}

impl Server {
    /// Waits for events for so long, and handles a bounded number of them. Returns whether more are left.
    pub(super) fn dispatch_once(&mut self, patience: Duration) -> io::Result<bool> {
        if !std::mem::replace(&mut self.begun, true) {
            self.pass(|_, _| ());
        }
        self.poller.fetch(Some(patience))?;
        let mut all = !self.poller.is_full();
        while let Some(event) = self.poller.next() {
            // The pass leaves nothing that these report. The others are ready as long as there is more to read or room to write.
            all &= matches!(event.token, token::DOORBELL | token::TIMER);
            self.handle(event);
        }
        if all {
            return Ok(false);
        }
        self.poller.fetch(Some(Duration::ZERO))?;
        // They are reported again, but for the timer, which `call_again` sets.
        Ok(self.poller.next().is_some())
    }

    /// Has the event loop call again at once, although nothing becomes ready any more.
    fn call_again(&mut self) {
        if self.timer.arm(Some(Instant::now())).is_err() {
            // A filter may refuse it. It wakes others who sleep there, for nothing.
            self.context.console.doorbell().ring();
        }
    }

    /// Handles one event.
    pub(super) fn handle(&mut self, event: Event) {
        let Event { token, ready, hung_up } = event;
        self.pass(|server, pass| match token {
            token::DOORBELL => server.rung(pass),
            token::TIMER => server.timer.acknowledge(),
            token::PTY => server.pty_watched(pass),
            token::PTY_LEAVING => server.pty_left(),
            token::FIRST_LISTENER..token::FIRST_CLIENT => {
                let index = (token - token::FIRST_LISTENER) as usize;
                server.accept(index, pass);
                if hung_up {
                    // No listener hangs up, but one that somebody has shut.
                    server.give_up(index, &"it is shut, or no listener");
                }
            }
            token if hung_up => server.hung_up(token, pass),
            token => server.drive(token, ready, pass),
        });
    }
}
