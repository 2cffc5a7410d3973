//! Named places in the stream.

use memchr::memrchr;

use crate::{Reader, Scrollback};

/// A place in the stream at which a reader begins: see [`Scrollback::reader`].
///
/// With the feature `serde` it is one of `"none"` ([`End`](Self::End)), `"all"` ([`Oldest`](Self::Oldest)), `"boot"`, `{"last": n}`
/// ([`Newest`](Self::Newest)), `{"lines": n}` ([`NewestLines`](Self::NewestLines)) and `{"from": n}` ([`Offset`](Self::Offset)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Position {
    /// The next byte that will be written.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "none"))]
    End,
    /// The oldest byte that can be read. If it is in the boot head, there may be a hole after it.
    #[cfg_attr(feature = "serde", serde(rename = "all"))]
    Oldest,
    /// The beginning of the newest boot ([`Writer::mark`](crate::Writer::mark)).
    #[cfg_attr(feature = "serde", serde(rename = "boot"))]
    Boot,
    /// This many bytes before the end, or as many as the ring has.
    #[cfg_attr(feature = "serde", serde(rename = "last"))]
    Newest(u64),
    /// This many text lines before the end, or as many as the ring has. A text line ends with `\n`. Bytes after the last `\n` are a text
    /// line, too. (`tail -n` counts in the same way.)
    #[cfg_attr(feature = "serde", serde(rename = "lines"))]
    NewestLines(u64),
    /// This offset. The byte there may be gone already, or not written yet.
    #[cfg_attr(feature = "serde", serde(rename = "from"))]
    Offset(u64),
}

impl Position {
    /// Returns whether [`Scrollback::offset`] searches the ring for this place, which takes time.
    pub fn is_searched(self) -> bool {
        matches!(self, Self::NewestLines(_))
    }
}

impl Scrollback {
    /// Makes a reader at a place in the stream.
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

    /// Returns the present offset of a place in the stream.
    ///
    /// To find text lines it reads the ring backwards, until it has found enough of them. That takes time.
    pub fn offset(&self, position: Position) -> u64 {
        match position {
            Position::Offset(offset) => offset,
            Position::Oldest => self.oldest(),
            Position::Boot => self.boot(),
            // Not `oldest`: counting backwards from the end must not lead across a hole into the boot head.
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
        // At most a capacity back, whatever a file's header says.
        let oldest = self.oldest_in_ring().max(end.saturating_sub(self.capacity() as u64));
        let mut line_ends = lines;
        // The newest byte ends a text line or belongs to one. It does not begin another.
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
