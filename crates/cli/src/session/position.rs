//! The position in the guest's output that a session has reached.

/// How many bytes of the output are kept to recognise it, at most.
const TAIL: usize = 256;

/// The position in the output, and the bytes just before it.
///
/// After a reconnect another server may have another ring. The bytes show whether its output is the same.
#[derive(Debug, Clone)]
pub(super) struct Position {
    next: u64,
    tail: Vec<u8>,
}

impl Position {
    /// The position at an offset, with nothing known of the bytes before it.
    pub(super) fn at(offset: u64) -> Self {
        Self { next: offset, tail: Vec::new() }
    }

    /// The offset of the next byte.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The bytes just before that offset, as far as they are known.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// Moves behind bytes that stand at `offset`.
    pub(super) fn advance(&mut self, offset: u64, bytes: &[u8]) {
        self.next = offset.saturating_add(bytes.len() as u64);
        let new = &bytes[bytes.len().saturating_sub(TAIL)..];
        let old = (self.tail.len() + new.len()).saturating_sub(TAIL);
        self.tail.drain(..old);
        self.tail.extend_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bytes_are_kept_up_to_the_limit() {
        let mut position = Position::at(10);
        position.advance(10, b"ab");
        assert_eq!((position.next(), position.tail()), (12, &b"ab"[..]));
        position.advance(12, &[b'x'; TAIL - 1]);
        assert_eq!(position.tail(), [&b"b"[..], &[b'x'; TAIL - 1]].concat());
        position.advance(position.next(), &[b'y'; 1000]);
        assert_eq!((position.next(), position.tail()), (12 + 255 + 1000, &[b'y'; TAIL][..]));
    }
}
