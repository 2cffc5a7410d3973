//! What waits until a client's socket takes it: answers, and the rest of a frame.

use std::io::IoSlice;

use vuart_wire::{Event, Frame as _};

use crate::transport::{Closed, Transport};

/// The memory that an empty outbox keeps, in bytes.
const KEPT: usize = 1 << 10;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// The number of `bytes` that the socket has taken.
    sent: usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a frame.
    pub(super) fn tell(&mut self, event: &Event) {
        event.encode(&mut self.bytes);
    }

    /// Adds a text line for a raw client.
    pub(super) fn say(&mut self, text: &str) {
        self.bytes.extend_from_slice(format!("\r\n[vuart: {text}]\r\n").as_bytes());
    }

    /// Adds the rest of a frame that the socket has taken in part.
    pub(super) fn add(&mut self, rest: &[u8]) {
        self.bytes.extend_from_slice(rest);
    }

    /// Sends as much as the socket takes. Returns whether that was everything.
    pub(super) fn flush(&mut self, transport: &Transport) -> Result<bool, Closed> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match transport.send(&[IoSlice::new(rest)])? {
                0 => return Ok(false),
                sent => self.sent += sent,
            }
        }
        self.sent = 0;
        self.bytes.clear();
        // The memory for a client that did not read for a while is given back.
        self.bytes.shrink_to(KEPT);
        Ok(true)
    }
}
