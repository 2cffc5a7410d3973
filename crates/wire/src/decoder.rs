//! Cutting a stream of bytes into frames.

use crate::error::WireError;
use crate::frame::{Frame, HEADER, MAX_PAYLOAD};

/// Cuts a stream of bytes into frames. It holds at most one unfinished frame and the bytes received with it.
///
/// ```
/// use vuart_wire::{Decoder, Frame, Request};
/// let mut bytes = Vec::new();
/// Request::Input(b"ls\r".to_vec()).encode(&mut bytes);
/// Request::Break.encode(&mut bytes);
///
/// let mut decoder = Decoder::default();
/// decoder.extend(&bytes[..6]);
/// assert_eq!(decoder.next_frame::<Request>(), None);
/// decoder.extend(&bytes[6..]);
/// assert_eq!(decoder.next_frame(), Some(Ok(Request::Input(b"ls\r".to_vec()))));
/// assert_eq!(decoder.next_frame(), Some(Ok(Request::Break)));
/// assert_eq!(decoder.next_frame::<Request>(), None);
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    /// The received bytes, from `start` to `end`, and free space after them.
    bytes: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
    /// Where the received bytes end: `start <= end <= bytes.len()`.
    end: usize,
}

impl Decoder {
    /// Appends received bytes.
    pub fn extend(&mut self, received: &[u8]) {
        self.room(received.len()).copy_from_slice(received);
        self.end += received.len();
    }

    /// Lets `receive` write at most `most` bytes directly into the decoder, which saves a copy. Returns their number.
    ///
    /// # Errors
    ///
    /// The error of `receive`.
    pub(crate) fn receive<E>(
        &mut self,
        most: usize,
        receive: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let received = receive(self.room(most))?.min(most);
        self.end += received;
        Ok(received)
    }

    /// Free space of `len` bytes after the received bytes. Moves the received bytes to the front only when the space is
    /// too short, and grows the memory only when that does not help.
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < len && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = self.end + len;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        &mut self.bytes[self.end..wanted]
    }

    /// Whether [`next_frame`](Self::next_frame) has an answer.
    pub fn has_frame(&self) -> bool {
        let waiting = &self.bytes[self.start..self.end];
        waiting.split_first_chunk().is_some_and(|(length, rest)| {
            let length = u32::from_le_bytes(*length) as usize;
            length > MAX_PAYLOAD || rest.len() > length
        })
    }

    /// The next frame, if all of it has been received. After [`WireError::TooLong`], every later call returns the same
    /// error.
    pub fn next_frame<F: Frame>(&mut self) -> Option<Result<F, WireError>> {
        let waiting = &self.bytes[self.start..self.end];
        let (length, rest) = waiting.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let Some(len) = usize::try_from(length).ok().filter(|len| *len <= MAX_PAYLOAD) else {
            return Some(Err(WireError::TooLong(length)));
        };
        let (kind, rest) = rest.split_first()?;
        let payload = rest.get(..len)?;
        let frame = F::decode(*kind, payload);
        self.start += HEADER + len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn frames_are_the_same_however_the_bytes_are_split() {
        let events: Vec<Event> = (1..40)
            .map(|n| Event::Output { offset: n, bytes: vec![b'x'; usize::try_from(n * n).unwrap()] })
            .collect();
        let mut bytes = Vec::new();
        for event in &events {
            event.encode(&mut bytes);
        }
        for piece in [1, 2, 13, 1000, bytes.len()] {
            let (mut decoder, mut frames) = (Decoder::default(), Vec::<Event>::new());
            for some in bytes.chunks(piece) {
                let received = decoder.receive(4096, |room| {
                    let count = some.len().min(room.len() / 2);
                    room[..count].copy_from_slice(&some[..count]);
                    Ok::<_, ()>(count)
                });
                decoder.extend(&some[received.unwrap()..]);
                while let Some(event) = decoder.next_frame() {
                    frames.push(event.unwrap());
                }
            }
            assert_eq!(frames, events, "pieces of {piece}");
        }
    }
}
