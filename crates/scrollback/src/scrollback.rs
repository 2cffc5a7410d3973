//! The shared, read-only handle: `R1`–`R6` of the [protocol](crate::protocol).

use std::fmt;

use crate::{
    CapacityError, Reader, StartError, Writer,
    ring::{Ring, WORD, lane},
    sync::{Arc, AtomicU64, Ordering, fence},
};

/// A handle to what a [`Writer`] wrote. Clones are cheap and read the same ring.
///
/// Any number of threads may read at once, while the writer writes; none of them stores anything that another can see.
#[derive(Clone)]
pub struct Scrollback {
    ring: Arc<Ring>,
}

/// What one read found. All offsets are absolute; the bytes are at the start of the caller's buffer.
///
/// It accounts for every offset from the one that was asked for: [`missed`](Self::missed) bytes are gone, then come the
/// [`len`](Self::len) bytes `start..next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "`missed` says whether bytes were lost, `next` where to read on"]
pub struct Read {
    /// The offset of the first byte in the buffer; the offset that was asked for, or later if that byte is gone.
    pub start: u64,
    /// The offset to read from next: one past the last byte in the buffer.
    pub next: u64,
    /// How many bytes from the asked offset on are gone, exactly: `start` less the asked offset.
    pub missed: u64,
}

impl Read {
    /// How many bytes of the buffer were filled.
    #[expect(clippy::cast_possible_truncation, reason = "at most the length of a buffer")]
    pub fn len(&self) -> usize {
        (self.next - self.start) as usize
    }

    /// Whether no bytes were filled in.
    ///
    /// That does not mean that the reader has caught up: the writer may have overwritten everything that was asked for.
    /// It has caught up (or gave an empty buffer) when `missed` is 0 as well.
    pub fn is_empty(&self) -> bool {
        self.next == self.start
    }
}

impl Scrollback {
    /// The least capacity, in bytes.
    pub const MIN_CAPACITY: usize = 4 << 10;
    /// The largest capacity, in bytes.
    pub const MAX_CAPACITY: usize = 1 << 30;
    /// The largest first offset. It leaves 2^63 bytes before offsets run out: 292 years at a gigabyte per second.
    pub const MAX_START: u64 = 1 << 63;

    /// A ring of `capacity` bytes, a power of two from [`MIN_CAPACITY`](Self::MIN_CAPACITY) to
    /// [`MAX_CAPACITY`](Self::MAX_CAPACITY), and its one writer. The first byte will have offset 0.
    ///
    /// The memory comes zeroed from the allocator, which leaves the pages of a large ring untouched until the writer
    /// comes to them.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] if the capacity is not such a number, or if there is not enough memory.
    pub fn new(capacity: usize) -> Result<(Writer, Self), CapacityError> {
        check_capacity(capacity)?;
        Ok(Self::with_writer(Ring::new(capacity, 0)?))
    }

    /// Like [`new`](Self::new), but the first byte will have the offset `start`: a console that was restored from a
    /// snapshot goes on with its offsets. What is before `start` is a hole, as if overwritten.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the capacity is refused or `start` is past [`MAX_START`](Self::MAX_START).
    pub fn starting_at(capacity: usize, start: u64) -> Result<(Writer, Self), StartError> {
        check_capacity(capacity)?;
        if start > Self::MAX_START {
            return Err(StartError::Offset { offset: start });
        }
        Ok(Self::with_writer(Ring::new(capacity, start)?))
    }

    pub(crate) fn with_writer(ring: Arc<Ring>) -> (Writer, Self) {
        let scrollback = Self::of(Arc::clone(&ring));
        (Writer::new(ring), scrollback)
    }

    pub(crate) fn of(ring: Arc<Ring>) -> Self {
        Self { ring }
    }

    /// The size of the ring in bytes.
    ///
    /// A little less than this can be read: see [`retained`](Self::retained).
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// How many of the newest bytes the ring is sure to hold at any moment (once they have been written), in bytes: the
    /// capacity less the stretch that the writer may be overwriting, which is at most an eighth of it, and at most 8 KiB.
    pub fn retained(&self) -> usize {
        self.ring.capacity() - 2 * self.ring.granule
    }

    /// The offset one past the newest byte, a moment ago. It never decreases.
    ///
    /// What the writing thread did before it wrote the bytes up to there is visible to the caller.
    pub fn end(&self) -> u64 {
        // Acquire: pairs with W4, for what is said above. (A later read of this thread would find these bytes anyway.)
        self.ring.header.tail.load(Ordering::Acquire)
    }

    /// The offset of the oldest byte that could be read, a moment ago. It never decreases.
    ///
    /// By the time it is read, the writer may have overwritten it: the read says so. It may also be past an
    /// [`end`](Self::end) that was asked for earlier.
    pub fn oldest(&self) -> u64 {
        // Relaxed: it is a hint until a read has confirmed it.
        let intent = self.ring.header.intent.load(Ordering::Relaxed);
        intent.saturating_sub(self.ring.capacity() as u64).max(self.ring.origin)
    }

    /// Copies bytes from the offset `from` on into `buf`, as many as there are and fit, and leaves them in the ring.
    ///
    /// Bytes that are gone are counted in [`Read::missed`] and the copy starts after them. If the writer overwrites
    /// some while they are copied, these are counted too, and the others are moved to the front of `buf`. The part of
    /// `buf` behind what was read is left with unspecified bytes.
    ///
    /// An offset that nobody has written yet is not an error: the read is empty, with `start` and `next` equal to
    /// `from`. A reader with a cursor in the future (an offset that a client made up, say `u64::MAX`) thus waits until
    /// the writer gets there. Compare with [`end`](Self::end) to refuse it instead.
    ///
    /// Wait-free: it copies once, and never retries.
    pub fn read_at(&self, from: u64, buf: &mut [u8]) -> Read {
        // R1. Acquire: pairs with W4, so that the cells hold the bytes before `tail`, or newer ones.
        let tail = self.ring.header.tail.load(Ordering::Acquire);
        // R2. What is before the oldest byte is gone, or may go at any moment. That saves its copying, and lets a reader that
        // was lapped begin where there is something; R5 and R6 alone would be enough to be right.
        let start = from.max(self.oldest());
        // Never more than the ring has, so that no content of the header can lead the copy astray.
        let room = buf.len().min(self.ring.capacity());
        let end = tail.min(start.saturating_add(room as u64));
        if end <= start {
            return Read { start, next: start, missed: start - from };
        }

        // R3.
        #[expect(clippy::cast_possible_truncation, reason = "at most `room`")]
        let len = (end - start) as usize;
        self.copy(start, &mut buf[..len]);
        // R4. Acquire: pairs with the W2 of whichever push stored what was just read, so that R5 sees its announcement.
        fence(Ordering::Acquire);
        // R5. Relaxed, as R4 is what makes it new enough.
        let oldest = self.oldest();
        if oldest <= start {
            return Read { start, next: end, missed: start - from };
        }
        // R6. What is before `oldest` may have been overwritten while it was copied.
        #[expect(clippy::cast_possible_truncation, reason = "at most `len`")]
        let lost = (oldest.min(end) - start) as usize;
        buf.copy_within(lost..len, 0);
        Read { start: oldest, next: end.max(oldest), missed: oldest - from }
    }

    /// A cursor at the offset `from`, which may be gone already or not written yet.
    pub fn reader_at(&self, from: u64) -> Reader {
        Reader::new(self.clone(), from)
    }

    /// R3: copies what the cells hold for the offsets from `start` on, whatever that is. All loads are Relaxed: what is
    /// too old is excluded by R1, what is too new is found out by R4–R6.
    fn copy(&self, start: u64, buf: &mut [u8]) {
        let mut at = start;
        let mut rest = buf;
        let lane = lane(at);
        if lane != 0 {
            let (head, tail) = rest.split_at_mut(rest.len().min(WORD - lane));
            let word = self.ring.cell(at).load(Ordering::Relaxed).to_le_bytes();
            head.copy_from_slice(&word[lane..lane + head.len()]);
            at += head.len() as u64;
            rest = tail;
        }
        let (words, tail) = rest.as_chunks_mut::<WORD>();
        let (run, wrapped) = self.ring.runs(at, words.len());
        at += (words.len() * WORD) as u64;
        let (words, wrapped_words) = words.split_at_mut(run.len());
        load_words(words, run);
        load_words(wrapped_words, wrapped);
        if !tail.is_empty() {
            let word = self.ring.cell(at).load(Ordering::Relaxed).to_le_bytes();
            tail.copy_from_slice(&word[..tail.len()]);
        }
    }
}

impl fmt::Debug for Scrollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrollback")
            .field("capacity", &self.capacity())
            .field("oldest", &self.oldest())
            .field("end", &self.end())
            .finish()
    }
}

fn check_capacity(capacity: usize) -> Result<(), CapacityError> {
    if !(Scrollback::MIN_CAPACITY..=Scrollback::MAX_CAPACITY).contains(&capacity) {
        return Err(CapacityError::OutOfRange { capacity });
    }
    if !capacity.is_power_of_two() {
        return Err(CapacityError::NotPowerOfTwo { capacity });
    }
    Ok(())
}

/// Loads each word from its cell. One plain loop: it moves some 20 GB/s.
fn load_words(words: &mut [[u8; WORD]], cells: &[AtomicU64]) {
    for (word, cell) in words.iter_mut().zip(cells) {
        *word = cell.load(Ordering::Relaxed).to_le_bytes();
    }
}
