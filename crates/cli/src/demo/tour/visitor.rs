//! A client of the tour: the output that it received, the answers, and the wait for what must happen.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use vuart::endpoint::Mode;
use vuart::scrollback::Position;
use vuart::wire::{AttachRequest, Attached, Client, Event, Hole, Request, Status};

use super::report::{check, excerpt, unexpected};
use crate::demo::error::DemoError;
use crate::error::Error;
use crate::signals::{Pending, Signals};
use crate::wait::wait;

/// The guest's prompt.
pub(super) const PROMPT: &[u8] = b"> ";

/// The limit for anything to happen. It only guards against hanging, and is far more than a slow machine needs.
const GUARD: Duration = Duration::from_secs(60);

/// A client at the console, over a real socket. A signal ends each of its waits.
#[derive(Debug)]
pub(super) struct Visitor<'a> {
    signals: &'a RefCell<Signals>,
    client: Client,
    /// The output since this client last typed, or since [`log`](Self::log).
    screen: Vec<u8>,
    /// The offset that the next output must have.
    next: Option<u64>,
    /// The server's answers that have not been taken, oldest first.
    answers: VecDeque<Event>,
}

impl<'a> Visitor<'a> {
    /// Connects.
    pub(super) fn connect(
        signals: &'a RefCell<Signals>,
        control_socket: &Path,
        label: &str,
    ) -> Result<Self, Error> {
        let mut client = Client::connect(control_socket, label)?;
        client.set_nonblocking(true)?;
        Ok(Self { signals, client, screen: Vec::new(), next: None, answers: VecDeque::new() })
    }

    /// The output since this client last typed.
    pub(super) fn screen(&self) -> &[u8] {
        &self.screen
    }

    /// Clears the screen and types.
    pub(super) fn type_in(&mut self, text: &[u8]) {
        self.screen.clear();
        self.client.queue(&Request::Input(text.to_vec()));
    }

    /// Sends a request, and waits for the next answer of the server, which `expected` describes.
    pub(super) fn ask(&mut self, request: &Request, expected: &str) -> Result<Event, Error> {
        self.client.queue(request);
        self.answer(expected)
    }

    /// Waits for the next answer of the server, which `expected` describes.
    pub(super) fn answer(&mut self, expected: &str) -> Result<Event, Error> {
        self.until(expected, |visitor| visitor.answers.pop_front())
    }

    /// Attaches.
    pub(super) fn attach(&mut self, mode: Mode, replay: Position) -> Result<Attached, Error> {
        let request = Request::Attach(AttachRequest { mode, replay, ..AttachRequest::default() });
        match self.ask(&request, "a session")? {
            Event::Attached(attached) => Ok(attached),
            other => unexpected("a session", &other),
        }
    }

    /// Asks for the console's status.
    pub(super) fn status(&mut self) -> Result<Status, Error> {
        match self.ask(&Request::Status, "the console's status")? {
            Event::Status(status) => Ok(status),
            other => unexpected("the console's status", &other),
        }
    }

    /// Waits for the guest's prompt.
    pub(super) fn prompt(&mut self, expected: &str) -> Result<(), Error> {
        self.until(expected, |visitor| visitor.screen.ends_with(PROMPT).then_some(()))
    }

    /// Types a command, and checks every byte that follows: the echo, the answer, the prompt.
    pub(super) fn say(&mut self, command: &str, answer: &[u8]) -> Result<(), Error> {
        let expected = [command.as_bytes(), b"\r\n", answer, b"\r\n", PROMPT].concat();
        self.type_in(format!("{command}\r").as_bytes());
        let in_words = excerpt(&expected);
        self.until(&in_words, |visitor| (visitor.screen.len() >= expected.len()).then_some(()))?;
        check(&in_words, self.screen == expected, || excerpt(&self.screen))
    }

    /// Clears the screen. The next output may have any offset.
    pub(super) fn clear(&mut self) {
        self.screen.clear();
        self.next = None;
    }

    /// Waits until `ready` returns a result. `expected` describes that result.
    fn until<T>(
        &mut self,
        expected: &str,
        mut ready: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + GUARD;
        loop {
            self.exchange()?;
            if let Some(found) = ready(self) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let got = format!("{} after {} s", excerpt(&self.screen), GUARD.as_secs());
                return Err(DemoError::check(expected, got).into());
            }
            let mut events = PollFlags::IN;
            events.set(PollFlags::OUT, self.client.queued() > 0);
            let mut signals = self.signals.borrow_mut();
            let sources = [Some((signals.as_fd(), PollFlags::IN)), Some((self.client.as_fd(), events))];
            wait("wait for the guest", sources, Some(left))?;
            if let Pending::Leave(signal) = signals.pending() {
                return Err(DemoError::Interrupted(signal).into());
            }
        }
    }

    /// Sends and receives without blocking, and checks that no output byte is lost or doubled.
    fn exchange(&mut self) -> Result<(), Error> {
        self.client.flush()?;
        while self.client.fill()? {
            while let Some(event) = self.client.next_event()? {
                match event {
                    Event::Output { offset, bytes } => {
                        let next = self.next.unwrap_or(offset);
                        let found = || format!("offset {offset}");
                        check(&format!("output at offset {next}"), offset == next, found)?;
                        self.next = Some(offset + bytes.len() as u64);
                        self.screen.extend(bytes);
                    }
                    Event::Hole(Hole { from, to }) => {
                        let found = format!("a hole at offsets {from} to {to}");
                        return Err(DemoError::check("output without a hole", found).into());
                    }
                    answer => self.answers.push_back(answer),
                }
            }
        }
        Ok(())
    }
}
