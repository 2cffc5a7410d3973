//! Reading the ring in a file by ranges, without a mapping.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt};

use memchr::memrchr;
use vuart_mapping::PAGE;

use crate::{
    FileError, LayoutError, Position, Read,
    backing::{header, len},
    geometry::{Geometry, WORD, lane},
    offsets::Offsets,
    sync::{Ordering, fence},
};

/// A ring in a file, of which only the wanted bytes are read. Its writer may be alive, or killed, or on another machine.
///
/// Use it to look into a file that belongs to somebody else, or that is large. The file is not mapped, so nobody can end this process by
/// making the file shorter: that is an error then. [`Scrollback::map`](crate::Scrollback::map) is faster, and for files that are trusted.
///
/// ```
/// use vuart_scrollback::{Position, RingFile, RingOptions};
///
/// let (mut writer, scrollback) = RingOptions::default().create_memfd("com1")?;
/// writer.extend(b"Linux version 6.1\nlogin: ");
///
/// let ring = RingFile::new(scrollback.file().expect("a ring in a memfd").try_clone()?)?;
/// let mut buf = [0; 64];
/// let read = ring.read_at(ring.offset(Position::NewestLines(1))?, &mut buf)?;
/// assert_eq!(&buf[..read.len()], b"login: ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RingFile {
    file: File,
    geometry: Geometry,
}

/// How much is read at once to look for text lines, in bytes.
const CHUNK: usize = 64 << 10;

impl RingFile {
    /// Reads the header of the ring in a file that is open for reading.
    ///
    /// # Errors
    ///
    /// When the file holds no ring, the ring's header is damaged, or the operating system refuses.
    pub fn new(file: File) -> Result<Self, FileError> {
        // A pipe, above all, can't be read at a place.
        if !file.metadata().map_err(FileError::io("look at"))?.is_file() {
            return Err(LayoutError::NotARing.into());
        }
        let (words, _) = header(&file)?;
        let geometry = Geometry::from_words(words, len(&file)?)?;
        let ring = Self { file, geometry };
        ring.offsets()?;
        Ok(ring)
    }

    /// The offset one past the newest byte, as of a moment ago.
    ///
    /// # Errors
    ///
    /// When the ring has been damaged meanwhile, for example made shorter, or the operating system refuses.
    pub fn end(&self) -> Result<u64, FileError> {
        Ok(self.offsets()?.tail)
    }

    /// The offset of a place in the stream, as [`Scrollback::offset`](crate::Scrollback::offset) returns it. To find text lines it reads the ring backwards, until it
    /// has found enough of them.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub fn offset(&self, position: Position) -> Result<u64, FileError> {
        let now = self.offsets()?;
        let oldest = self.geometry.oldest(now.intent).min(now.tail);
        Ok(match position {
            Position::Offset(offset) => offset,
            Position::Oldest if self.head_has(0, &now) => now.boot.min(oldest),
            Position::Oldest => oldest,
            Position::Boot => now.boot.min(now.tail),
            Position::Newest(bytes) => now.tail.saturating_sub(bytes).max(oldest),
            Position::NewestLines(lines) => self.newest_lines(lines, now.tail, oldest)?,
            Position::End => now.tail,
        })
    }

    /// Copies bytes from the offset `from` on into `buf`, as many as exist and fit, as [`Scrollback::read_at`](crate::Scrollback::read_at) does.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub fn read_at(&self, from: u64, buf: &mut [u8]) -> Result<Read, FileError> {
        let before = self.offsets()?;
        if from < self.geometry.oldest(before.intent)
            && let Some(read) = self.read_head(from, &before, buf)?
        {
            return Ok(read);
        }
        let read = self.read_ring(from, &before, buf)?;
        if read.missed == 0 {
            return Ok(read);
        }
        // The head may have taken over the bytes that were gone.
        let now = self.offsets()?;
        match self.read_head(from, &now, buf)? {
            Some(read) => Ok(read),
            // `buf` may be spoilt.
            None => self.read_ring(from, &now, buf),
        }
    }

    /// R1 to R6 of the [protocol](crate::protocol), with the file in place of the memory. `before` has R1 and R2.
    fn read_ring(&self, from: u64, before: &Offsets, buf: &mut [u8]) -> Result<Read, FileError> {
        let start = from.max(self.geometry.oldest(before.intent));
        // At most the capacity, so that no content of the header can lead out of the ring.
        let room = buf.len().min(self.geometry.capacity);
        let end = before.tail.min(start.saturating_add(room as u64));
        if end <= start {
            return Ok(Read { start, next: start, missed: start - from });
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most `room`")]
        let len = (end - start) as usize;
        let (run, wrapped) = self.geometry.runs(start, len);
        let (first, second) = buf[..len].split_at_mut(run.len());
        // R3.
        self.copy(run.start / WORD..run.end.div_ceil(WORD), lane(start), first)?;
        self.copy(0..wrapped.end.div_ceil(WORD), 0, second)?;
        // R4, R5.
        fence(Ordering::Acquire);
        let oldest = self.geometry.oldest(self.offsets()?.intent);
        if oldest <= start {
            return Ok(Read { start, next: end, missed: start - from });
        }
        // R6.
        #[expect(clippy::cast_possible_truncation, reason = "at most `len`")]
        let lost = (oldest.min(end) - start) as usize;
        buf.copy_within(lost..len, 0);
        Ok(Read { start: oldest, next: end.max(oldest), missed: oldest - from })
    }

    /// H1 to H6. `before` has H1 and H2.
    fn read_head(&self, from: u64, before: &Offsets, buf: &mut [u8]) -> Result<Option<Read>, FileError> {
        let Offsets { intent, boot, kept, .. } = *before;
        if boot >= self.geometry.oldest(intent) || !self.head_has(from, before) {
            return Ok(None);
        }
        let start = from.max(boot);
        let end = kept.min(start.saturating_add(buf.len() as u64));
        let Some(cells) = self.geometry.head_run(boot, start, end) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "at most the length of the buffer")]
        let len = (end - start) as usize;
        // H3.
        self.copy(cells, lane(start), &mut buf[..len])?;
        // H4, H5.
        fence(Ordering::Acquire);
        let same = self.offsets()?.boot == boot;
        Ok(same.then_some(Read { start, next: end, missed: start - from }))
    }

    /// Whether the head has a byte that is not before `from`.
    fn head_has(&self, from: u64, offsets: &Offsets) -> bool {
        self.geometry.head != 0 && from.max(offsets.boot) < offsets.kept
    }

    /// Copies bytes of these cells, from a lane of the first cell on.
    fn copy(&self, cells: Range<usize>, lane: usize, buf: &mut [u8]) -> Result<(), FileError> {
        if buf.is_empty() {
            return Ok(());
        }
        let mut words = vec![[0; WORD]; cells.len()];
        let at = (PAGE + cells.start * WORD) as u64;
        self.file.read_exact_at(words.as_flattened_mut(), at).map_err(|error| self.shorter(error))?;
        for word in &mut words {
            *word = u64::from_ne_bytes(*word).to_le_bytes();
        }
        match words.as_flattened().get(lane..lane + buf.len()) {
            Some(bytes) => buf.copy_from_slice(bytes),
            // The cells are those of these bytes.
            None => return Err(LayoutError::Offsets.into()),
        }
        Ok(())
    }

    /// The error for a read beyond the file's end.
    fn shorter(&self, error: io::Error) -> FileError {
        match (error.kind(), len(&self.file)) {
            (io::ErrorKind::UnexpectedEof, Ok(found)) => {
                LayoutError::Length { expected: self.geometry.file_len(), found }.into()
            }
            _ => FileError::io("read")(error),
        }
    }

    /// The words that change, `tail` and `kept` before the others. That the rest of the header is as it was is checked, too.
    fn offsets(&self) -> Result<Offsets, FileError> {
        let (words, offsets) = header(&self.file)?;
        if Geometry::from_words(words, len(&self.file)?)? != self.geometry {
            return Err(LayoutError::Offsets.into());
        }
        // True of a ring that is being written, too, because `tail` was read first.
        if !(self.geometry.origin <= offsets.tail && offsets.tail <= offsets.intent) {
            return Err(LayoutError::Offsets.into());
        }
        Ok(offsets)
    }

    /// As for a ring in memory.
    fn newest_lines(&self, lines: u64, end: u64, oldest: u64) -> Result<u64, FileError> {
        if lines == 0 {
            return Ok(end);
        }
        let mut line_ends = lines;
        // The newest byte ends a text line or belongs to one. It does not begin another.
        let mut at = end.saturating_sub(1);
        let mut buf = vec![0; CHUNK];
        while oldest < at {
            let from = at.saturating_sub(CHUNK as u64).max(oldest);
            #[expect(clippy::cast_possible_truncation, reason = "at most the length of the buffer")]
            let read = self.read_ring(from, &self.offsets()?, &mut buf[..(at - from) as usize])?;
            let mut rest = &buf[..read.len()];
            while let Some(index) = memrchr(b'\n', rest) {
                line_ends -= 1;
                if line_ends == 0 {
                    return Ok(read.start + index as u64 + 1);
                }
                rest = &rest[..index];
            }
            if read.missed > 0 {
                return Ok(read.start.min(end));
            }
            at = from;
        }
        Ok(oldest)
    }
}
