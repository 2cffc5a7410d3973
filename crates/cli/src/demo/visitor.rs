//! A client of the tour: what it has been shown, and what it has been told.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use vuart::wire::{Client, ClientError, Event, Hole, Request};

use super::stage::Fault;

/// Somebody at the console, through a real socket.
#[derive(Debug)]
pub(super) struct Visitor {
    client: Client,
    /// Output that has not been looked at.
    screen: Vec<u8>,
    /// The offset that the next output must have.
    next: Option<u64>,
    /// Everything else that the server has said.
    answers: VecDeque<Event>,
}

impl Visitor {
    /// Connects.
    pub(super) fn connect(control_socket: &Path, label: &str) -> Result<Self, ClientError> {
        let mut client = Client::connect(control_socket, label)?;
        client.set_nonblocking(true)?;
        Ok(Self { client, screen: Vec::new(), next: None, answers: VecDeque::new() })
    }

    /// Sends a request, now or as soon as the socket takes it.
    pub(super) fn ask(&mut self, request: &Request) {
        self.client.queue(request);
    }

    /// Types, with nothing on the screen yet.
    pub(super) fn type_in(&mut self, text: &[u8]) {
        self.screen.clear();
        self.ask(&Request::Input(text.to_vec()));
    }

    /// The output since the last time that this client typed, or [`take_screen`](Self::take_screen) was called.
    pub(super) fn screen(&self) -> &[u8] {
        &self.screen
    }

    /// The same, and the screen is empty afterwards. The next output may have any offset.
    pub(super) fn take_screen(&mut self) -> Vec<u8> {
        self.next = None;
        std::mem::take(&mut self.screen)
    }

    /// The oldest answer that has not been taken.
    pub(super) fn take_answer(&mut self) -> Option<Event> {
        self.answers.pop_front()
    }

    /// Whether something waits to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.client.queued() > 0
    }

    /// Sends and receives what can be, and checks that output follows on output: no byte lost, none doubled.
    pub(super) fn exchange(&mut self) -> Result<(), Fault> {
        self.client.flush()?;
        while self.client.fill()? {
            while let Some(event) = self.client.next_event()? {
                self.take(event)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Fault> {
        match event {
            Event::Output { offset, bytes } => {
                let expected = self.next.unwrap_or(offset);
                if offset != expected {
                    return Err(Fault::check(
                        format!("output at offset {expected}"),
                        format!("offset {offset}"),
                    ));
                }
                self.next = Some(offset + bytes.len() as u64);
                self.screen.extend(bytes);
            }
            Event::Hole(Hole { from, to }) => {
                return Err(Fault::check(
                    "output without a hole".to_owned(),
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
