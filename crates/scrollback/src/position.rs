//! Where a reader begins.

use memchr::memrchr;

use crate::{Reader, Scrollback};

/// A place in the stream, for a reader to begin at: see [`Scrollback::reader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// This offset, which may be gone already or not written yet.
    Offset(u64),
    /// The oldest byte that there is. If that is in the boot head, there may be a hole after it.
    Oldest,
    /// The beginning of the newest boot ([`Writer::mark`](crate::Writer::mark)).
    Boot,
    /// So many bytes before the end, or as many as the ring has.
    Newest(u64),
    /// So many lines before the end, or as many as the ring has. A line ends with `\n`; what comes after the last `\n` is one
    /// too, if it is not empty. (`tail -n` counts the same.)
    NewestLines(u64),
    /// What will be written next.
    End,
}

impl Scrollback {
    /// A cursor at a place in the stream.
    ///
    /// ```
    /// # use vuart_scrollback::{Position, Scrollback};
    /// let (mut writer, scrollback) = Scrollback::new(4096)?;
    /// writer.extend(b"one\ntwo\nthree");
    /// let mut buf = [0; 64];
    /// let read = scrollback.reader(Position::NewestLines(2)).read(&mut buf);
    /// assert_eq!(&buf[..read.len()], b"two\nthree");
    /// # Ok::<(), vuart_scrollback::CapacityError>(())
    /// ```
    pub fn reader(&self, position: Position) -> Reader {
        self.reader_at(self.offset(position))
    }

    /// The offset of a place in the stream, at this moment.
    ///
    /// To find lines, what the ring has is read backwards, until there are enough of them.
    pub fn offset(&self, position: Position) -> u64 {
        match position {
            Position::Offset(offset) => offset,
            Position::Oldest => self.oldest(),
            Position::Boot => self.boot(),
            // Not `oldest`: what is counted backwards from the end must not lead into the boot head, across a hole.
            Position::Newest(bytes) => {
                let end = self.end();
                end.saturating_sub(bytes).max(self.oldest_in_ring()).min(end)
            }
            Position::NewestLines(lines) => self.newest_lines(lines),
            Position::End => self.end(),
        }
    }

    fn newest_lines(&self, lines: u64) -> u64 {
        let end = self.end();
        if lines == 0 {
            return end;
        }
        // No further back than the ring is large, whatever a file's header says.
        let oldest = self.oldest_in_ring().max(end.saturating_sub(self.capacity() as u64));
        let mut line_ends = lines;
        // The newest byte ends a line or belongs to one, but it does not begin another.
        let mut at = end.saturating_sub(1);
        let mut buf = [0; 4096];
        while oldest < at {
            let from = at.saturating_sub(buf.len() as u64).max(oldest);
            #[expect(clippy::cast_possible_truncation, reason = "at most the length of the buffer")]
            let read = self.read_ring(from, &mut buf[..(at - from) as usize]);
            let mut rest = &buf[..read.len()];
            while let Some(index) = memrchr(b'\n', rest) {
                line_ends -= 1;
                if line_ends == 0 {
                    return read.start + index as u64 + 1;
                }
                rest = &rest[..index];
            }
            if read.missed > 0 {
                return read.start.min(end);
            }
            at = from;
        }
        oldest.min(end)
    }
}
