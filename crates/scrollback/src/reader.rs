//! A reader's place in the stream.

use crate::{Read, Scrollback};

/// A reader: a cursor and a handle to the ring.
///
/// A reader costs the ring nothing. It is not registered, and a reader that stops reading delays no other thread.
///
/// ```
/// # use vuart_scrollback::Scrollback;
/// let (mut writer, scrollback) = Scrollback::new(4096)?;
/// let mut reader = scrollback.reader_at(0);
/// writer.extend(b"login: ");
///
/// let mut buf = [0; 5];
/// assert_eq!(reader.read(&mut buf).len(), 5);
/// assert_eq!(reader.cursor(), 5);
/// assert_eq!(reader.read(&mut buf).len(), 2);
/// assert!(reader.read(&mut buf).is_empty());
/// # Ok::<(), vuart_scrollback::CapacityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reader {
    scrollback: Scrollback,
    cursor: u64,
}

impl Scrollback {
    /// Makes a reader at the offset `from`. The byte there may be gone already, or not written yet.
    pub fn reader_at(&self, from: u64) -> Reader {
        Reader { scrollback: self.clone(), cursor: from }
    }
}

impl Reader {
    /// The offset of the next byte to read.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The ring that this reads.
    pub fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }

    /// Whether a read would return something: bytes after the cursor, or a hole there.
    pub fn is_behind(&self) -> bool {
        self.cursor < self.scrollback.end()
    }

    /// Moves the cursor to `offset`, forwards or backwards. Every offset is allowed: see [`Scrollback::read_at`].
    pub fn seek(&mut self, offset: u64) {
        self.cursor = offset;
    }

    /// Reads from the cursor into `buf`, and moves the cursor to [`Read::next`]. See [`Scrollback::read_at`].
    pub fn read(&mut self, buf: &mut [u8]) -> Read {
        let read = self.scrollback.read_at(self.cursor, buf);
        self.cursor = read.next;
        read
    }

    /// Reads from the cursor into `buf`, and moves the cursor over the missed bytes only. Call [`advance`](Self::advance) when you know
    /// how many of the bytes were taken.
    ///
    /// So each missed byte is reported once, as by [`read`](Self::read). A byte that was peeked at and not taken may be gone at the next
    /// read, which then counts it.
    ///
    /// ```
    /// # use vuart_scrollback::Scrollback;
    /// # let (mut writer, scrollback) = Scrollback::new(4096)?;
    /// # let mut reader = scrollback.reader_at(0);
    /// # fn send(bytes: &[u8]) -> usize { bytes.len().min(3) }
    /// # writer.extend(b"login: ");
    /// # let mut buf = [0; 64];
    /// let read = reader.peek(&mut buf);
    /// let sent = send(&buf[..read.len()]); // a socket that takes as much as it has room for
    /// reader.advance(sent);
    /// # assert_eq!(reader.cursor(), 3);
    /// # Ok::<(), vuart_scrollback::CapacityError>(())
    /// ```
    pub fn peek(&mut self, buf: &mut [u8]) -> Read {
        let read = self.scrollback.read_at(self.cursor, buf);
        self.cursor = read.start;
        read
    }

    /// Moves the cursor forwards by `count` bytes. It stops at `u64::MAX`.
    pub fn advance(&mut self, count: usize) {
        self.cursor = self.cursor.saturating_add(count as u64);
    }
}
