//! The readers' handle: `R1`–`R6` and `H1`–`H6` of the [protocol](crate::protocol).

use core::fmt;
#[cfg(feature = "std")]
use std::{fs::File, sync::Arc};

use vuart_mapping::Word;

#[cfg(feature = "std")]
use crate::touch::Touched;
use crate::{
    geometry::{Geometry, WORD, lane},
    limits,
    memory::MemoryView,
    sync::{Ordering, fence},
};

/// A handle to the bytes that a [`Writer`](crate::Writer) wrote. A clone is cheap, and reads the same ring.
///
/// Any number of threads may read at once while the writer writes. Readers store nothing that another thread can see.
#[derive(Clone)]
pub struct Scrollback {
    pub(crate) memory: MemoryView,
    pub(crate) geometry: Geometry,
    #[cfg(feature = "std")]
    pub(crate) touched: Arc<Touched>,
    /// The file that the ring lives in, if it does not live in this process alone.
    #[cfg(feature = "std")]
    pub(crate) file: Option<Arc<File>>,
}

/// The result of one read. All offsets are absolute. The bytes are at the start of the caller's buffer.
///
/// It accounts for every offset from the requested one on: [`missed`](Self::missed) bytes are gone, and then come the
/// [`len`](Self::len) bytes `start..next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "`missed` says whether bytes were lost, `next` where to read on"]
pub struct Read {
    /// The offset of the first byte in the buffer: the requested offset, or a later one if that byte is gone.
    pub start: u64,
    /// The offset of the next read: one past the last byte in the buffer.
    pub next: u64,
    /// The exact number of bytes that are gone: `start` less the requested offset.
    pub missed: u64,
}

impl Read {
    /// The number of bytes in the buffer.
    #[expect(clippy::cast_possible_truncation, reason = "at most the length of a buffer")]
    pub fn len(&self) -> usize {
        (self.next - self.start) as usize
    }

    /// Whether there are no bytes in the buffer.
    ///
    /// That alone does not mean that the reader has caught up, because the writer may have overwritten all requested bytes. The reader
    /// has caught up (or gave an empty buffer) if `missed` is 0 as well.
    pub fn is_empty(&self) -> bool {
        self.next == self.start
    }
}

impl Scrollback {
    /// The smallest capacity, in bytes.
    pub const MIN_CAPACITY: usize = limits::MIN_CAPACITY;
    /// The largest capacity, in bytes.
    pub const MAX_CAPACITY: usize = limits::MAX_CAPACITY;
    /// The largest first offset. It leaves 2^63 bytes before offsets run out: 292 years at a gigabyte per second.
    pub const MAX_START: u64 = limits::MAX_START;

    /// Makes a handle to memory that has room for `geometry`. The next byte will be written at `end`.
    #[cfg_attr(
        not(feature = "std"),
        expect(unused_variables, reason = "memory of the heap has been touched")
    )]
    pub(crate) fn of(memory: MemoryView, geometry: Geometry, end: u64) -> Self {
        Self {
            memory,
            geometry,
            #[cfg(feature = "std")]
            touched: Arc::new(Touched::new(&geometry, end)),
            #[cfg(feature = "std")]
            file: None,
        }
    }

    /// The size of the ring in bytes, without the boot head. A little less can be read: see [`retained`](Self::retained).
    pub fn capacity(&self) -> usize {
        self.geometry.capacity
    }

    /// The number of newest bytes that can be read at any moment, once they are written: the capacity less the bytes that the writer may be
    /// overwriting, which are at most an eighth of it and at most 8 KiB.
    pub fn retained(&self) -> usize {
        self.geometry.capacity - 2 * self.geometry.granule
    }

    /// The number of bytes that are kept from the beginning of the newest boot. 0 without a boot head.
    pub fn boot_head(&self) -> usize {
        self.geometry.head
    }

    /// Returns the offset one past the newest byte, as of a moment ago. It never decreases.
    ///
    /// Everything that the writing thread did before it wrote these bytes is visible to the caller.
    pub fn end(&self) -> u64 {
        // Relaxed: Rust promises no other load of memory that may be mapped read-only.
        let tail = self.memory.tail().load(Ordering::Relaxed);
        // Acquire: pairs with W4, for the promise above. (A later read of this thread would find these bytes anyway.)
        fence(Ordering::Acquire);
        tail
    }

    /// Returns the offset of the oldest byte that could be read a moment ago. It never decreases.
    ///
    /// The writer may overwrite that byte before you read it. The read reports that. The offset may also be past the result of an earlier
    /// [`end`](Self::end). If the byte is in the boot head, there may be a hole after the head.
    pub fn oldest(&self) -> u64 {
        let oldest = self.oldest_in_ring();
        match self.head_from(0) {
            Some((boot, _)) => boot.min(oldest),
            None => oldest,
        }
    }

    /// Returns the offset at which the newest boot began ([`Writer::mark`](crate::Writer::mark)), as of a moment ago. That byte may be
    /// gone. The offset never decreases.
    pub fn boot(&self) -> u64 {
        let boot = self.memory.boot().load(Ordering::Relaxed);
        // Acquire: pairs with the store in `mark`. A `tail` that is loaded later is not before the boot.
        fence(Ordering::Acquire);
        boot
    }

    /// Copies bytes from the offset `from` on into `buf`, as many as exist and fit. The bytes stay in the ring.
    ///
    /// If bytes are gone, the copy starts after them, and [`Read::missed`] counts them. If the writer overwrites bytes during the copy,
    /// they are counted too, and the others move to the front of `buf`. The rest of `buf` is unspecified.
    ///
    /// A read stops at the end of the boot head. The next read reports the hole after it, if there is one.
    ///
    /// An offset that is not written yet is not an error. The read is empty, and its `start` and `next` are `from`. So a reader whose
    /// cursor is in the future (say `u64::MAX`, from a client) waits until the writer gets there. Compare with [`end`](Self::end) to refuse
    /// such an offset instead.
    ///
    /// Wait-free. It copies once, or up to four times while the boot head takes bytes over.
    pub fn read_at(&self, from: u64, buf: &mut [u8]) -> Read {
        // Most rings have no boot head, and most reads are of bytes that are in the ring.
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
        // The head may have taken over the bytes that were gone. If a new boot has removed them there as well, `buf` is spoilt, and
        // the ring is read again.
        self.read_head(from, read.start, buf).unwrap_or_else(|| self.read_ring(from, buf))
    }

    /// [`read_at`](Self::read_at) without the boot head.
    pub(crate) fn read_ring(&self, from: u64, buf: &mut [u8]) -> Read {
        // R1. Relaxed, and a fence that acquires what W4 released (see `end`): the cells hold the bytes before `tail`, or newer ones.
        let tail = self.end();
        // R2. Bytes before the oldest one are gone, or may go at any moment. Skipping them saves the copy, and lets a lapped reader
        // begin where bytes are. For correctness R5 and R6 alone would be enough.
        let start = from.max(self.oldest_in_ring());
        // At most the capacity, so that no content of the header can lead the copy out of the ring.
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
        // R4. Acquire: pairs with the W2 of the push that stored a word that was just read, so that R5 sees its announcement.
        fence(Ordering::Acquire);
        // R5. Relaxed: R4 makes it new enough.
        let oldest = self.oldest_in_ring();
        if oldest <= start {
            return Read { start, next: end, missed: start - from };
        }
        // R6. Bytes before `oldest` may have been overwritten during the copy.
        #[expect(clippy::cast_possible_truncation, reason = "at most `len`")]
        let lost = (oldest.min(end) - start) as usize;
        buf.copy_within(lost..len, 0);
        Read { start: oldest, next: end.max(oldest), missed: oldest - from }
    }

    /// Reads from the boot head, if the head has a byte that is not before `from` and before the ring's `oldest`. Otherwise `buf` may be
    /// spoilt.
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
        // H4. Acquire: pairs with the K1 of the boot whose bytes were just read, so that H5 sees the beginning of that boot.
        fence(Ordering::Acquire);
        // H5. Relaxed: H4 makes it new enough. H6: a newer boot has no bytes before its beginning.
        (self.memory.boot().load(Ordering::Relaxed) == boot).then_some(Read {
            start,
            next: end,
            missed: start - from,
        })
    }

    /// [`head_from`](Self::head_from), if the head has bytes before the ring's `oldest`. Between K3 and the announcement that follows it may
    /// have none, and for good if the writer's process was killed then. The ring still has the bytes before the boot, and they come
    /// first.
    fn head_before(&self, from: u64, oldest: u64) -> Option<(u64, u64)> {
        self.head_from(from).filter(|(boot, _)| *boot < oldest)
    }

    /// H1 and H2: the beginning and the end of the bytes in the boot head, if any of them is not before `from`.
    fn head_from(&self, from: u64) -> Option<(u64, u64)> {
        if self.geometry.head == 0 {
            return None;
        }
        // Acquire: pairs with the announcement of the ring's oldest byte, which the caller may have seen. So H1 sees that the head
        // has the bytes before it.
        fence(Ordering::Acquire);
        // H1. Relaxed, and a fence that acquires what K3 released: the head has the bytes before `kept`, or newer ones.
        let kept = self.memory.kept().load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        // H2. Relaxed: H5 makes sure that `kept` belongs to this boot.
        let boot = self.memory.boot().load(Ordering::Relaxed);
        (from.max(boot) < kept).then_some((boot, kept))
    }

    /// R2 and R5.
    pub(crate) fn oldest_in_ring(&self) -> u64 {
        self.geometry.oldest(self.memory.intent().load(Ordering::Relaxed))
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

/// R3 and H3: copies the bytes of the cells, from a lane of the first cell on. All loads are Relaxed: R1 (H1) excludes bytes that are too
/// old, and R4–R6 (H4–H6) find bytes that are too new.
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
    // One plain loop: it copies some 20 GB/s, and eight words in each iteration are no faster.
    for (word, cell) in words.iter_mut().zip(cells) {
        *word = cell.load(Ordering::Relaxed).to_le_bytes();
    }
    if let Some(last) = cells.get(words.len()) {
        let word = last.load(Ordering::Relaxed).to_le_bytes();
        tail.copy_from_slice(&word[..tail.len()]);
    }
}
