//! How far a session has read the output.

/// How many bytes of the output are kept to recognise it, at most.
const TAIL: usize = 256;

/// How far a session has read: the offset of the next byte, and the bytes just before it.
///
/// After a reconnect another server may have another ring. The bytes show whether its output is the same.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    next: u64,
    tail: Vec<u8>,
}

impl Progress {
    /// Progress up to an offset, with nothing known of the bytes before it.
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
        let mut progress = Progress::at(10);
        progress.advance(10, b"ab");
        assert_eq!((progress.next(), progress.tail()), (12, &b"ab"[..]));
        progress.advance(12, &[b'x'; TAIL - 1]);
        assert_eq!(progress.tail(), [&b"b"[..], &[b'x'; TAIL - 1]].concat());
        progress.advance(progress.next(), &[b'y'; 1000]);
        assert_eq!((progress.next(), progress.tail()), (12 + 255 + 1000, &[b'y'; TAIL][..]));
    }
}
