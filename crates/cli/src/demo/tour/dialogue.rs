//! The tour's conversation with the console: requests through a visitor, and the wait for what must happen.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart::endpoint::Mode;
use vuart::scrollback::Position;
use vuart::wire::{AttachRequest, Attached, Event, Request, Status};

use super::failure::Failure;
use super::report::{check, excerpt};
use super::visitor::Visitor;
use crate::error::Error;
use crate::signals::{Pending, Signals};
use crate::wait::wait;

/// The guest's prompt.
pub(super) const PROMPT: &[u8] = b"> ";

/// The limit for anything to happen. It only guards against hanging, and is far more than a slow machine needs.
const GUARD: Duration = Duration::from_secs(60);

/// Drives visitors. A signal ends each wait.
#[derive(Debug)]
pub(super) struct Dialogue<'a> {
    signals: &'a mut Signals,
}

impl<'a> Dialogue<'a> {
    /// A dialogue that these signals end.
    pub(super) fn new(signals: &'a mut Signals) -> Self {
        Self { signals }
    }

    /// Waits until `ready` returns a result for the visitor. `expected` describes that result.
    pub(super) fn until<T>(
        &mut self,
        visitor: &mut Visitor,
        expected: &str,
        mut ready: impl FnMut(&mut Visitor) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + GUARD;
        loop {
            visitor.exchange()?;
            if let Some(found) = ready(visitor) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let got = format!("{} after {} s", excerpt(visitor.screen()), GUARD.as_secs());
                return Err(Failure::check(expected, got));
            }
            let mut events = PollFlags::IN;
            events.set(PollFlags::OUT, visitor.has_unsent());
            let [signal, _] = wait(
                [Some((self.signals.as_fd(), PollFlags::IN)), Some((visitor.as_fd(), events))],
                Some(left),
            )
            .map_err(|source| Failure::Error(Error::Host { operation: "wait for the guest", source }))?;
            if !signal.is_empty()
                && let Pending::Leave(signal) = self.signals.pending()
            {
                return Err(Failure::Signal(signal));
            }
        }
    }

    /// Waits for the next answer of the server.
    pub(super) fn answer(&mut self, visitor: &mut Visitor, expected: &str) -> Result<Event, Failure> {
        self.until(visitor, expected, Visitor::take_answer)
    }

    /// Attaches.
    pub(super) fn attach(
        &mut self,
        visitor: &mut Visitor,
        mode: Mode,
        replay: Position,
    ) -> Result<Attached, Failure> {
        visitor.ask(&Request::Attach(AttachRequest { mode, replay, ..AttachRequest::default() }));
        match self.answer(visitor, "a session")? {
            Event::Attached(attached) => Ok(attached),
            other => Err(Failure::check("a session", format!("{other:?}"))),
        }
    }

    /// Asks for the console's status.
    pub(super) fn status(&mut self, visitor: &mut Visitor) -> Result<Status, Failure> {
        visitor.ask(&Request::Status);
        match self.answer(visitor, "the console's status")? {
            Event::Status(status) => Ok(status),
            other => Err(Failure::check("the console's status", format!("{other:?}"))),
        }
    }

    /// Waits for the guest's prompt.
    pub(super) fn prompt(&mut self, visitor: &mut Visitor, expected: &str) -> Result<(), Failure> {
        self.until(visitor, expected, |visitor| visitor.screen().ends_with(PROMPT).then_some(()))
    }

    /// Types a command, and checks every byte that follows: the echo, the answer, the prompt.
    pub(super) fn say(&mut self, visitor: &mut Visitor, command: &str, answer: &[u8]) -> Result<(), Failure> {
        let expected = [command.as_bytes(), b"\r\n", answer, b"\r\n", PROMPT].concat();
        visitor.type_in(format!("{command}\r").as_bytes());
        let in_words = excerpt(&expected);
        self.until(visitor, &in_words, |visitor| (visitor.screen().len() >= expected.len()).then_some(()))?;
        check(&in_words, visitor.screen() == expected, || excerpt(visitor.screen()))
    }
}
