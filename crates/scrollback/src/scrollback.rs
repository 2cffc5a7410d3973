//! The shared, read-only handle: `R1`–`R6` and `H1`–`H6` of the [protocol](crate::protocol).

use std::{fmt, fs::File, sync::Arc};

use vuart_mapping::Word;

use crate::{
    Reader,
    geometry::{Geometry, WORD, lane},
    memory::MemoryView,
    sync::{Ordering, fence},
    touch::Touched,
};

/// A handle to what a [`Writer`](crate::Writer) wrote. Clones are cheap and read the same ring.
///
/// Any number of threads may read at once, while the writer writes; none of them stores anything that another can see.
#[derive(Clone)]
pub struct Scrollback {
    pub(crate) memory: MemoryView,
    pub(crate) geometry: Geometry,
    pub(crate) touched: Arc<Touched>,
    /// Where the ring lives, if it does not live in this process alone.
    file: Option<Arc<File>>,
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

    /// A handle to memory in which `geometry` is known to have room. The next byte will be written at `end`.
    pub(crate) fn of(memory: MemoryView, geometry: Geometry, file: Option<Arc<File>>, end: u64) -> Self {
        Self { memory, geometry, touched: Arc::new(Touched::new(&geometry, end)), file }
    }

    /// The size of the ring in bytes, without the boot head.
    ///
    /// A little less than this can be read: see [`retained`](Self::retained).
    pub fn capacity(&self) -> usize {
        self.geometry.capacity
    }

    /// How many of the newest bytes the ring is sure to hold at any moment (once they have been written), in bytes: the
    /// capacity less the stretch that the writer may be overwriting, which is at most an eighth of it, and at most 8 KiB.
    pub fn retained(&self) -> usize {
        self.geometry.capacity - 2 * self.geometry.granule
    }

    /// How many bytes from the beginning of each boot are kept beside the ring; 0 if none are.
    pub fn boot_head(&self) -> usize {
        self.geometry.head
    }

    /// The offset one past the newest byte, a moment ago. It never decreases.
    ///
    /// What the writing thread did before it wrote the bytes up to there is visible to the caller.
    pub fn end(&self) -> u64 {
        // Relaxed: Rust promises no other load of memory that may be mapped read-only.
        let tail = self.memory.tail().load(Ordering::Relaxed);
        // Acquire: pairs with W4, for what is said above. (A later read of this thread would find these bytes anyway.)
        fence(Ordering::Acquire);
        tail
    }

    /// The offset of the oldest byte that could be read, a moment ago. It never decreases.
    ///
    /// By the time it is read, the writer may have overwritten it: the read says so. It may also be past an
    /// [`end`](Self::end) that was asked for earlier. If it is in the boot head, there may be a hole between it
    /// and the rest.
    pub fn oldest(&self) -> u64 {
        let oldest = self.oldest_in_ring();
        match self.head_from(0) {
            Some((boot, _)) => boot.min(oldest),
            None => oldest,
        }
    }

    /// The offset at which the newest boot has begun ([`Writer::mark`](crate::Writer::mark)), a moment ago,
    /// whether or not that byte is there still. It never decreases.
    pub fn boot(&self) -> u64 {
        let boot = self.memory.boot().load(Ordering::Relaxed);
        // Acquire: pairs with the store in `mark`. A `tail` that is loaded after it is not before the boot.
        fence(Ordering::Acquire);
        boot
    }

    /// The file or `memfd` that the ring lives in, to hand it to another process: to one that [maps](Self::map) it, or
    /// to one that is to [adopt](crate::RingOptions::adopt) it. `None` if the ring lives in this process alone, or
    /// was [mapped](Self::map) or [loaded](Self::load) from a file that the caller has anyway.
    pub fn file(&self) -> Option<&File> {
        self.file.as_deref()
    }

    /// Copies bytes from the offset `from` on into `buf`, as many as there are and fit, and leaves them in the ring.
    ///
    /// Bytes that are gone are counted in [`Read::missed`] and the copy starts after them. If the writer overwrites
    /// some while they are copied, these are counted too, and the others are moved to the front of `buf`. The part of
    /// `buf` behind what was read is left with unspecified bytes.
    ///
    /// A read ends at the end of the boot head, and the next one declares the hole after it, if there is one.
    ///
    /// An offset that nobody has written yet is not an error: the read is empty, with `start` and `next` equal to
    /// `from`. A reader with a cursor in the future (an offset that a client made up, say `u64::MAX`) thus waits until
    /// the writer gets there. Compare with [`end`](Self::end) to refuse it instead.
    ///
    /// Wait-free: it copies once, or, while the boot head takes bytes over, up to four times; it never waits.
    pub fn read_at(&self, from: u64, buf: &mut [u8]) -> Read {
        // Most rings have no boot head, and most reads are not of what is gone.
        if self.geometry.head == 0 {
            return self.read_ring(from, buf);
        }
        let oldest = self.oldest_in_ring();
        if from < oldest
            && let Some(read) = self.read_head(from, oldest, buf)
        {
            return read;
        }
        let read = self.read_ring(from, buf);
        if read.missed == 0 || self.head_before(from, read.start).is_none() {
            return read;
        }
        // What was gone may have been taken over by the head meanwhile. If that is gone too, by a new boot, `buf` has been
        // spoilt.
        self.read_head(from, read.start, buf).unwrap_or_else(|| self.read_ring(from, buf))
    }

    /// [`read_at`](Self::read_at) without the boot head.
    pub(crate) fn read_ring(&self, from: u64, buf: &mut [u8]) -> Read {
        // R1. Relaxed, and a fence to acquire what W4 released (see `end`): the cells hold the bytes before `tail`, or newer
        // ones.
        let tail = self.end();
        // R2. What is before the oldest byte is gone, or may go at any moment. That saves its copying, and lets a reader that
        // was lapped begin where there is something; R5 and R6 alone would be enough to be right.
        let start = from.max(self.oldest_in_ring());
        // Never more than the ring has, so that no content of the header can lead the copy astray.
        let room = buf.len().min(self.geometry.capacity);
        let end = tail.min(start.saturating_add(room as u64));
        if end <= start {
            return Read { start, next: start, missed: start - from };
        }

        // R3.
        #[expect(clippy::cast_possible_truncation, reason = "at most `room`")]
        let len = (end - start) as usize;
        let body = self.memory.body();
        let (run, wrapped) = self.geometry.runs(start, len);
        let (first, second) = buf[..len].split_at_mut(run.len());
        copy(&body[run.start / WORD..run.end.div_ceil(WORD)], lane(start), first);
        copy(&body[..wrapped.end.div_ceil(WORD)], 0, second);
        // R4. Acquire: pairs with the W2 of whichever push stored what was just read, so that R5 sees its announcement.
        fence(Ordering::Acquire);
        // R5. Relaxed, as R4 is what makes it new enough.
        let oldest = self.oldest_in_ring();
        if oldest <= start {
            return Read { start, next: end, missed: start - from };
        }
        // R6. What is before `oldest` may have been overwritten while it was copied.
        #[expect(clippy::cast_possible_truncation, reason = "at most `len`")]
        let lost = (oldest.min(end) - start) as usize;
        buf.copy_within(lost..len, 0);
        Read { start: oldest, next: end.max(oldest), missed: oldest - from }
    }

    /// Reads from the boot head, if it has a byte at `from` or after it and before the ring's `oldest`. If not,
    /// `buf` may be spoilt.
    fn read_head(&self, from: u64, oldest: u64, buf: &mut [u8]) -> Option<Read> {
        // H1, H2.
        let (boot, kept) = self.head_before(from, oldest)?;
        let start = from.max(boot);
        let end = kept.min(start.saturating_add(buf.len() as u64));
        let cells = self.memory.body().get(self.geometry.head_run(boot, start, end)?)?;
        // H3.
        #[expect(clippy::cast_possible_truncation, reason = "at most the length of the buffer")]
        let len = (end - start) as usize;
        copy(cells, lane(start), &mut buf[..len]);
        // H4. Acquire: pairs with the K1 of whichever boot's bytes were just read, so that H5 sees where that began.
        fence(Ordering::Acquire);
        // H5. Relaxed, as H4 is what makes it new enough. H6: of a newer boot there is nothing before its beginning.
        (self.memory.boot().load(Ordering::Relaxed) == boot).then_some(Read {
            start,
            next: end,
            missed: start - from,
        })
    }

    /// [`head_from`](Self::head_from), if it has something before the ring's `oldest`. It may not, in the moment
    /// between K3 and the announcement that follows, and for good if the writer's process was killed then: the
    /// ring has the bytes before the boot still, and they come first.
    fn head_before(&self, from: u64, oldest: u64) -> Option<(u64, u64)> {
        self.head_from(from).filter(|(boot, _)| *boot < oldest)
    }

    /// H1 and H2: the beginning and the end of what the boot head has, if any of that is at `from` or after it.
    fn head_from(&self, from: u64) -> Option<(u64, u64)> {
        if self.geometry.head == 0 {
            return None;
        }
        // Acquire: pairs with the announcement of the ring's oldest byte, which the caller may have seen, so that H1 sees
        // that the head has what is before that.
        fence(Ordering::Acquire);
        // H1. Relaxed, and a fence to acquire what K3 released: the head has the bytes before `kept`, or newer ones.
        let kept = self.memory.kept().load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        // H2. Relaxed: H5 makes sure that it is what `kept` belongs to.
        let boot = self.memory.boot().load(Ordering::Relaxed);
        (from.max(boot) < kept).then_some((boot, kept))
    }

    /// R2 and R5.
    pub(crate) fn oldest_in_ring(&self) -> u64 {
        self.geometry.oldest(self.memory.intent().load(Ordering::Relaxed))
    }

    /// A cursor at the offset `from`, which may be gone already or not written yet.
    pub fn reader_at(&self, from: u64) -> Reader {
        Reader::new(self.clone(), from)
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

/// R3 and H3: copies what the cells hold from a lane of the first one on, whatever that is. All loads are Relaxed:
/// what is too old is excluded by R1 (H1), what is too new is found out by R4–R6 (H4–H6).
fn copy(cells: &[Word], lane: usize, buf: &mut [u8]) {
    let mut cells = cells;
    let mut rest = buf;
    if lane != 0
        && let Some((first, others)) = cells.split_first()
    {
        let (head, tail) = rest.split_at_mut(rest.len().min(WORD - lane));
        let word = first.load(Ordering::Relaxed).to_le_bytes();
        head.copy_from_slice(&word[lane..lane + head.len()]);
        (cells, rest) = (others, tail);
    }
    let (words, tail) = rest.as_chunks_mut::<WORD>();
    // One plain loop: it moves some 20 GB/s, and eight in a turn are no faster.
    for (word, cell) in words.iter_mut().zip(cells) {
        *word = cell.load(Ordering::Relaxed).to_le_bytes();
    }
    if let Some(last) = cells.get(words.len()) {
        let word = last.load(Ordering::Relaxed).to_le_bytes();
        tail.copy_from_slice(&word[..tail.len()]);
    }
}
