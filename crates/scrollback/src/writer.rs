//! The writer: `W1`–`W4` and `K1`–`K3` of the [protocol](crate::protocol).

use core::fmt;

#[cfg(feature = "std")]
use crate::backing::Lock;
use crate::{
    Scrollback,
    geometry::{Geometry, WORD, cell, lane},
    memory::Memory,
    offsets::Offsets,
    sync::{AtomicU64, Ordering, SHORT, fence},
};

/// The writing end of a ring. Each ring has one writer, and the writer never waits.
///
/// It can move between threads, so several vCPU threads may push one after the other under a mutex. It cannot be shared or cloned.
///
/// It wakes no reader. A port with sleeping readers calls [`Doorbell::ring_if_armed`](crate::Doorbell::ring_if_armed) after a push.
// Aligned, so that a push needs one cache line of it, wherever the writer is.
#[repr(C, align(64))]
pub struct Writer {
    /// The offset of the next byte: the value of `tail`.
    end: u64,
    /// The last intent that was announced.
    limit: u64,
    /// The bytes before `end` in the cell of `end`; zero in the other lanes. With it a push is a store, and never a load or a
    /// read-modify-write of shared memory.
    word: u64,
    memory: Memory,
    geometry: Geometry,
    /// The offset at which the newest boot began.
    boot: u64,
    /// The value of `kept`: the bytes `boot..kept` are in the boot head.
    kept: u64,
    scrollback: Scrollback,
    /// Shows other processes that the ring has a writer.
    #[cfg(feature = "std")]
    _lock: Option<Lock>,
}

impl Writer {
    /// Makes a writer that goes on at `offsets`, where the last writer has stopped. They may be those of an empty ring.
    pub(crate) fn new(memory: Memory, scrollback: Scrollback, offsets: Offsets) -> Self {
        let geometry = scrollback.geometry;
        let Offsets { tail, intent, boot, kept } = offsets;
        // Bytes of the cell beyond `tail`, if any, were never readable.
        let word = match lane(tail) {
            0 => 0,
            // Relaxed: the writer that stored it comes before this one in the order of all writes.
            lane => memory.cell(cell(tail)).load(Ordering::Relaxed) & ((1 << (8 * lane)) - 1),
        };
        Self {
            memory,
            geometry,
            end: tail,
            limit: intent,
            word,
            boot,
            kept,
            scrollback,
            #[cfg(feature = "std")]
            _lock: None,
        }
    }

    /// The writer of a ring that other processes can see.
    #[cfg(feature = "std")]
    pub(crate) fn locking(self, lock: Lock) -> Self {
        Self { _lock: Some(lock), ..self }
    }

    /// Appends one byte. It overwrites the oldest byte if the ring is full.
    ///
    /// Wait-free: no lock, no system call, no allocation, no read-modify-write.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.end < self.limit { self.write_one(byte) } else { self.push_announcing(byte) }
    }

    /// Appends one byte if no announcement is due. Otherwise appends nothing and returns false: call [`push`](Self::push) then. That
    /// happens at most once in 4 KiB.
    ///
    /// Use it where the rare announcement should stay out of the caller's hot path.
    ///
    /// ```
    /// # use vuart_scrollback::Scrollback;
    /// let (mut writer, _) = Scrollback::new(4096)?;
    /// assert!(!writer.push_announced(b'a')); // the very first byte
    /// writer.push(b'a');
    /// assert!(writer.push_announced(b'b'));
    /// assert_eq!(writer.end(), 2);
    /// # Ok::<(), vuart_scrollback::CapacityError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn push_announced(&mut self, byte: u8) -> bool {
        let announced = self.end < self.limit;
        if announced {
            self.write_one(byte);
        }
        announced
    }

    /// [`push`](Self::push) for the first byte of a granule: a call at the end of `push`, so that the usual way has no registers to save.
    #[cold]
    #[inline(never)]
    fn push_announcing(&mut self, byte: u8) {
        self.announce(self.end + 1); // W1
        self.write_one(byte);
    }

    /// W2–W4 of [`push`](Self::push).
    #[inline]
    fn write_one(&mut self, byte: u8) {
        // No overflow: the first offset is at most `MAX_START`, and a guest never pushes the 2^63 bytes that remain.
        let end = self.end + 1;
        // W2. Release: a reader that loads the store below and then fences sees the announcement that covers it. It belongs to every
        // push and not to the announcement, because another thread may have made the announcement. No instruction on x86.
        fence(Ordering::Release);
        let word = self.word | u64::from(byte) << (8 * lane(self.end));
        // W3. Relaxed: W2 orders it after the announcement, W4 before the tail.
        self.memory.cell(cell(self.end)).store(word, Ordering::Relaxed);
        self.word = if end.is_multiple_of(WORD as u64) { 0 } else { word };
        self.end = end;
        // W4. Release: a reader that acquires this tail sees the bytes before it.
        self.memory.tail().store(end, Ordering::Release);
    }

    /// Appends `bytes` in order. They overwrite the oldest bytes, as if pushed one at a time: each byte has its offset, and a slice that
    /// is longer than the ring leaves its newest bytes.
    ///
    /// Readers see the bytes in steps of at most 4 KiB. Wait-free; the time is proportional to `bytes.len()`.
    ///
    /// ```
    /// # use vuart_scrollback::Scrollback;
    /// let (mut writer, scrollback) = Scrollback::new(4096)?;
    /// writer.extend(&[b'.'; 10_000]);
    /// assert_eq!(writer.end(), 10_000);
    /// assert!(scrollback.oldest() >= 10_000 - 4096);
    /// # Ok::<(), vuart_scrollback::CapacityError>(())
    /// ```
    pub fn extend(&mut self, bytes: &[u8]) {
        if bytes.len() <= SHORT {
            return self.extend_short(bytes);
        }
        // The length of a step bounds the bytes that are announced and not yet readable.
        for step in bytes.chunks(self.geometry.granule) {
            self.extend_step(step);
        }
    }

    /// The offset one past the newest byte: the offset of the next byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The readers' handle to this ring.
    pub fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }

    /// Marks the next byte as the beginning of a new boot. Returns its offset.
    ///
    /// If the ring [has a boot head](crate::RingOptions::with_boot_head), the head keeps the beginning of this boot from now on, and
    /// forgets the boot before. The ring's own bytes are not affected. The first boot begins with the ring.
    ///
    /// ```
    /// # use vuart_scrollback::{RingOptions, Position};
    /// let (mut writer, scrollback) = RingOptions::new(4096).with_boot_head(1024).create()?;
    /// writer.extend(b"Linux version 6.1\n");
    /// writer.extend(&[b'.'; 20_000]);
    ///
    /// // The first 1024 bytes, a hole, and the bytes in the ring.
    /// let mut buf = [0; 4096];
    /// let mut reader = scrollback.reader(Position::Boot);
    /// let head = reader.read(&mut buf);
    /// assert!(buf.starts_with(b"Linux version 6.1"));
    /// assert_eq!((head.start, head.next, head.missed), (0, 1024, 0));
    /// let rest = reader.read(&mut buf);
    /// assert_eq!(rest.missed, rest.start - 1024);
    ///
    /// assert_eq!(writer.mark(), 20_018);
    /// assert_eq!(scrollback.boot(), 20_018);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mark(&mut self) -> u64 {
        self.boot = self.end;
        // Release: a reader that acquires it sees the bytes of the boots before. K1 orders it before the boot head's new content.
        self.memory.boot().store(self.boot, Ordering::Release);
        self.boot
    }

    /// W1: announces the offset up to which cells will be written, before any of them is.
    #[inline]
    fn announce(&mut self, end: u64) {
        if end > self.limit {
            self.announce_granule(end);
        }
    }

    /// Once per granule, so it is kept out of the way of a push.
    #[cold]
    #[inline(never)]
    fn announce_granule(&mut self, end: u64) {
        let limit = end.next_multiple_of(self.geometry.granule as u64);
        self.keep_head(self.geometry.oldest(limit));
        self.limit = limit;
        // Release: a reader that sees that a byte is gone from the ring, and then fences, sees that the boot head has it. (The
        // release fence of each push, W2, orders it before the cells that it covers.)
        self.memory.intent().store(limit, Ordering::Release);
    }

    /// Copies bytes before `oldest`, which are about to go, into the boot head if they belong there.
    fn keep_head(&mut self, oldest: u64) {
        let from = self.kept.max(self.boot);
        let to = oldest.min(self.boot.saturating_add(self.geometry.head as u64));
        if from >= to {
            return;
        }
        let Some(head) = self.geometry.head_run(self.boot, from, to) else { return };
        // K1. Release: a reader that loads a store below and then fences sees the `boot` that it belongs to.
        fence(Ordering::Release);
        // K2. Relaxed: K1 orders the stores after the boot, K3 before `kept`. The loads are of this writer's own stores.
        let body = self.memory.body();
        for (index, kept) in body[head].iter().enumerate() {
            let cell = self.memory.cell(cell(from + (index * WORD) as u64));
            kept.store(cell.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.kept = to;
        // K3. Release: a reader that acquires this sees the boot head's bytes before it.
        self.memory.kept().store(to, Ordering::Release);
    }

    /// [`extend`](Self::extend) for at most [`SHORT`] bytes, as a guest writes them at once: word by word, each shifted to its lanes. The
    /// preparations for a long slice would take longer than that.
    fn extend_short(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len() as u64;
        self.announce(end); // a short slice's W1
        fence(Ordering::Release); // W2 of a short slice

        // W3, all Relaxed as in `push`.
        let lane = lane(self.end);
        let mut index = cell(self.end);
        // The part of a word that is left for the next cell. (A shift by the whole word would be a shift by 0.)
        let beyond = |word: u64| word >> 8 >> (8 * (WORD - 1 - lane));
        let (words, rest) = bytes.as_chunks::<WORD>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            self.memory.cell(index).store(self.word | word << (8 * lane), Ordering::Relaxed);
            self.word = beyond(word);
            index += 1;
        }
        let last = partial_word(rest);
        let used = lane + rest.len();
        if used > 0 {
            self.word |= last << (8 * lane);
            self.memory.cell(index).store(self.word, Ordering::Relaxed);
        }
        if used >= WORD {
            self.word = beyond(last);
        }
        if used > WORD {
            self.memory.cell(index + 1).store(self.word, Ordering::Relaxed);
        }

        self.end = end;
        self.memory.tail().store(end, Ordering::Release); // W4 of a short slice
    }

    /// [`push`](Self::push) for a slice of 1 to `granule` bytes.
    fn extend_step(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len() as u64;
        self.announce(end); // W1
        fence(Ordering::Release); // W2, as in `push`

        // W3, all Relaxed as in `push`: first the rest of the partial word, then whole words, then the beginning of a word.
        let body = self.memory.body();
        let mut at = self.end;
        let mut rest = bytes;
        let lane = lane(at);
        if lane != 0 {
            let (head, tail) = rest.split_at(rest.len().min(WORD - lane));
            self.word |= partial_word(head) << (8 * lane);
            self.memory.cell(cell(at)).store(self.word, Ordering::Relaxed);
            at += head.len() as u64;
            rest = tail;
        }
        if at.is_multiple_of(WORD as u64) {
            let (words, tail) = rest.as_chunks::<WORD>();
            let (run, wrapped) = self.geometry.runs(at, words.len() * WORD);
            let (words, wrapped_words) = words.split_at(run.len() / WORD);
            store_words(&body[run.start / WORD..run.end / WORD], words);
            store_words(&body[..wrapped.end / WORD], wrapped_words);
            self.word = 0;
            if !tail.is_empty() {
                self.word = partial_word(tail);
                self.memory.cell(cell(end)).store(self.word, Ordering::Relaxed);
            }
        }

        self.end = end;
        self.memory.tail().store(end, Ordering::Release); // W4, as in `push`
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("capacity", &self.geometry.capacity)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Fewer than eight bytes in the low lanes of a word.
fn partial_word(bytes: &[u8]) -> u64 {
    // A copy into an array would be a call of `memcpy` for these few bytes.
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Stores each word in its cell, eight in each iteration, which is a tenth faster than one.
fn store_words(cells: &[AtomicU64], words: &[[u8; WORD]]) {
    let (cell_lines, cells) = cells.as_chunks::<8>();
    let (word_lines, words) = words.as_chunks::<8>();
    for (cells, words) in cell_lines.iter().zip(word_lines) {
        for (cell, word) in cells.iter().zip(words) {
            cell.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
    }
    for (cell, word) in cells.iter().zip(words) {
        cell.store(u64::from_le_bytes(*word), Ordering::Relaxed);
    }
}
