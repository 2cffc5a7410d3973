//! The one writer: `W1`–`W4` of the [protocol](crate::protocol).

use std::fmt;

use crate::{
    Scrollback,
    ring::{Ring, WORD, lane},
    sync::{Arc, AtomicU64, Ordering, fence},
};

/// The writing end of a ring. There is one of it, and it never waits.
///
/// It can move between threads (several vCPU threads may push in turn under a lock), but not be shared or cloned.
///
/// It wakes nobody: a port that has sleeping readers calls [`Doorbell::ring_if_armed`](crate::Doorbell::ring_if_armed)
/// after it has pushed.
pub struct Writer {
    ring: Arc<Ring>,
    /// The offset of the next byte, which is what `tail` says.
    end: u64,
    /// The intent that was announced last.
    limit: u64,
    /// The bytes of the cell of `end` that are before `end`; zero in the other lanes. Kept here so that a push is a
    /// store, and never a load or a read-modify-write of shared memory.
    word: u64,
}

impl Writer {
    pub(crate) fn new(ring: Arc<Ring>) -> Self {
        let origin = ring.origin;
        Self { ring, end: origin, limit: origin, word: 0 }
    }

    /// Appends one byte, over the oldest one if the ring is full.
    ///
    /// Wait-free: no lock, no system call, no allocation, no read-modify-write.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.end < self.limit { self.push_announced(byte) } else { self.push_announcing(byte) }
    }

    /// [`push`](Self::push) of the first byte of a granule. It is a call of its own at the end of `push`, so that the usual
    /// way saves no registers.
    #[cold]
    #[inline(never)]
    fn push_announcing(&mut self, byte: u8) {
        self.announce(self.end + 1); // W1
        self.push_announced(byte);
    }

    /// W2–W4 of [`push`](Self::push).
    #[inline]
    fn push_announced(&mut self, byte: u8) {
        // No overflow: the first offset is at most `MAX_START`, and nobody pushes the 2^63 bytes that remain.
        let end = self.end + 1;
        // W2. Release: whoever reads the store below and then fences sees the announcement that covers it. It belongs
        // to every push, not to the announcement: another thread may have made that one. No instruction on x86.
        fence(Ordering::Release);
        self.word |= u64::from(byte) << (8 * lane(self.end));
        // W3. Relaxed: W2 orders it after the announcement, W4 before the tail.
        self.ring.cell(self.end).store(self.word, Ordering::Relaxed);
        if end.is_multiple_of(WORD as u64) {
            self.word = 0;
        }
        self.end = end;
        // W4. Release: a reader that acquires this tail sees the bytes before it.
        self.ring.header.tail.store(end, Ordering::Release);
    }

    /// Appends `bytes` in order, over the oldest ones. Those that do not fit go by as if pushed one at a time: each has
    /// its offset, and the newest ones stay.
    ///
    /// Readers see them arrive in steps of at most 4 KiB. Wait-free; the time is proportional to `bytes.len()`.
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
        // A step's length bounds how much is announced and not yet readable.
        for step in bytes.chunks(self.ring.granule) {
            self.extend_step(step);
        }
    }

    /// The offset one past the newest byte: what the next byte's offset will be.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// A handle to read what this writer writes.
    pub fn scrollback(&self) -> Scrollback {
        Scrollback::of(Arc::clone(&self.ring))
    }

    /// W1: says up to where cells will be written, before any of them is.
    #[inline]
    fn announce(&mut self, end: u64) {
        if end > self.limit {
            self.announce_granule(end);
        }
    }

    /// Once per granule, and kept out of the way of a push.
    #[cold]
    #[inline(never)]
    fn announce_granule(&mut self, end: u64) {
        self.limit = end.next_multiple_of(self.ring.granule as u64);
        // Relaxed: the release fence of each push (W2) that this covers publishes it.
        self.ring.header.intent.store(self.limit, Ordering::Relaxed);
    }

    /// [`push`](Self::push) for a slice of 1 to `granule` bytes.
    fn extend_step(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len() as u64;
        self.announce(end); // W1
        fence(Ordering::Release); // W2, as in `push`

        // W3, all Relaxed as in `push`: first what completes the partial word, then whole words, then what begins one.
        let mut at = self.end;
        let mut rest = bytes;
        let lane = lane(at);
        if lane != 0 {
            let (head, tail) = rest.split_at(rest.len().min(WORD - lane));
            self.word |= partial_word(head) << (8 * lane);
            self.ring.cell(at).store(self.word, Ordering::Relaxed);
            at += head.len() as u64;
            rest = tail;
        }
        if at.is_multiple_of(WORD as u64) {
            let (words, tail) = rest.as_chunks::<WORD>();
            let (run, wrapped) = self.ring.runs(at, words.len());
            let (words, wrapped_words) = words.split_at(run.len());
            store_words(run, words);
            store_words(wrapped, wrapped_words);
            self.word = partial_word(tail);
            if !tail.is_empty() {
                self.ring.cell(end).store(self.word, Ordering::Relaxed);
            }
        }

        self.end = end;
        self.ring.header.tail.store(end, Ordering::Release); // W4, as in `push`
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("capacity", &self.ring.capacity())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Fewer than eight bytes in the low lanes of a word.
fn partial_word(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Stores each word in its cell. One plain loop: it moves some 20 GB/s.
fn store_words(cells: &[AtomicU64], words: &[[u8; WORD]]) {
    for (cell, word) in cells.iter().zip(words) {
        cell.store(u64::from_le_bytes(*word), Ordering::Relaxed);
    }
}
