//! A client of the tour: the output that it received, and the answers.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use vuart::wire::{Client, ClientError, Event, Hole, Request};

use super::failure::Failure;

/// A client at the console, over a real socket.
#[derive(Debug)]
pub(super) struct Visitor {
    client: Client,
    /// The output that has not been looked at.
    screen: Vec<u8>,
    /// The offset that the next output must have.
    next: Option<u64>,
    /// The server's answers that have not been taken, oldest first.
    answers: VecDeque<Event>,
}

impl Visitor {
    /// Connects.
    pub(super) fn connect(control_socket: &Path, label: &str) -> Result<Self, ClientError> {
        let mut client = Client::connect(control_socket, label)?;
        client.set_nonblocking(true)?;
        Ok(Self { client, screen: Vec::new(), next: None, answers: VecDeque::new() })
    }

    /// Sends a request as soon as the socket takes it.
    pub(super) fn ask(&mut self, request: &Request) {
        self.client.queue(request);
    }

    /// Clears the screen and types.
    pub(super) fn type_in(&mut self, text: &[u8]) {
        self.screen.clear();
        self.ask(&Request::Input(text.to_vec()));
    }

    /// The output since this client last typed, or since [`take_screen`](Self::take_screen).
    pub(super) fn screen(&self) -> &[u8] {
        &self.screen
    }

    /// Returns the [`screen`](Self::screen) and clears it. The next output may have any offset.
    pub(super) fn take_screen(&mut self) -> Vec<u8> {
        self.next = None;
        std::mem::take(&mut self.screen)
    }

    /// Takes the oldest answer.
    pub(super) fn take_answer(&mut self) -> Option<Event> {
        self.answers.pop_front()
    }

    /// Whether a request waits to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.client.queued() > 0
    }

    /// Sends and receives without blocking, and checks that no output byte is lost or doubled.
    pub(super) fn exchange(&mut self) -> Result<(), Failure> {
        self.client.flush()?;
        while self.client.fill()? {
            while let Some(event) = self.client.next_event()? {
                self.take(event)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Output { offset, bytes } => {
                let expected = self.next.unwrap_or(offset);
                if offset != expected {
                    return Err(Failure::check(
                        format!("output at offset {expected}"),
                        format!("offset {offset}"),
                    ));
                }
                self.next = Some(offset + bytes.len() as u64);
                self.screen.extend(bytes);
            }
            Event::Hole(Hole { from, to }) => {
                return Err(Failure::check(
                    "output without a hole",
                    format!("a hole at offsets {from} to {to}"),
                ));
            }
            other => self.answers.push_back(other),
        }
        Ok(())
    }
}

impl AsFd for Visitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.as_fd()
    }
}
