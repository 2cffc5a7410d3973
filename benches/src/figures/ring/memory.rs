//! Ours, and the rings in memory that bytes could have gone into instead.

use std::error::Error;
use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rt_history::RTHistory;
use vuart::scrollback::{CapacityError, Scrollback, Writer};

use super::super::expect;
use super::super::register::character;
use super::CAPACITY;
use super::writing::Sink;
use crate::measure::time;

pub(super) struct Ours {
    writer: Writer,
    scrollback: Scrollback,
}

impl Ours {
    pub(super) fn new() -> Result<Self, CapacityError> {
        let (writer, scrollback) = Scrollback::new(CAPACITY)?;
        Ok(Self { writer, scrollback })
    }
}

impl Sink for Ours {
    fn push(&mut self, count: u64) -> Duration {
        let writer = black_box(&mut self.writer);
        time(|| {
            for n in 0..count {
                writer.push(black_box(character(n)));
            }
        })
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let writer = black_box(&mut self.writer);
        time(|| {
            for _ in 0..count {
                writer.extend(black_box(bytes));
            }
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        let end = self.scrollback.end();
        let mut newest = [0; 4096];
        let read = self.scrollback.read_at(end.saturating_sub(newest.len() as u64), &mut newest);
        expect("the ring's end", read.len() as u64, end.min(newest.len() as u64))?;
        Ok(end)
    }
}

/// The bound: stores that nobody else could read without a data race.
pub(super) struct Plain {
    ring: Placed,
    end: u64,
}

/// Bytes at a chosen place in a page. A copy between places that are nearly the same in their pages takes twenty times as long on
/// some processors, which would say nothing of a ring.
pub(super) struct Placed {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Placed {
    const PAGE: usize = 4096;

    pub(super) fn new(bytes: &[u8], in_page: usize) -> Self {
        let mut memory = vec![0; bytes.len() + Self::PAGE];
        let start = (in_page + Self::PAGE - memory.as_ptr().addr() % Self::PAGE) % Self::PAGE;
        memory[start..start + bytes.len()].copy_from_slice(bytes);
        Self { memory, start, len: bytes.len() }
    }
}

impl Deref for Placed {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Placed {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl Plain {
    pub(super) fn new() -> Self {
        // Where the cells of our ring begin, too.
        Self { ring: Placed::new(&vec![0; CAPACITY], 0), end: 0 }
    }

    #[inline]
    fn push_byte(&mut self, byte: u8) {
        let index = self.index();
        self.ring[index] = byte;
        self.end += 1;
    }

    #[inline]
    fn push_slice(&mut self, bytes: &[u8]) {
        let index = self.index();
        let (until_end, wrapped) = bytes.split_at(bytes.len().min(self.ring.len() - index));
        self.ring[index..index + until_end.len()].copy_from_slice(until_end);
        self.ring[..wrapped.len()].copy_from_slice(wrapped);
        self.end += bytes.len() as u64;
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    #[inline]
    fn index(&self) -> usize {
        // The bounds check goes away: x & (len - 1) < len.
        self.end as usize & (self.ring.len() - 1)
    }
}

impl Sink for Plain {
    fn push(&mut self, count: u64) -> Duration {
        let plain = black_box(self);
        time(|| {
            for n in 0..count {
                plain.push_byte(black_box(character(n)));
            }
        })
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let plain = black_box(self);
        time(|| {
            for _ in 0..count {
                plain.push_slice(black_box(bytes));
            }
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.end)
    }
}

/// Fills a ring that does not overwrite, again and again. `fill` says how long its part took; emptying is not counted.
fn in_fillings(count: u64, len: usize, mut fill: impl FnMut(u64) -> Duration) -> Duration {
    let room = (CAPACITY / len) as u64;
    let (mut left, mut elapsed) = (count, Duration::ZERO);
    while left > 0 {
        let filling = left.min(room);
        elapsed += fill(filling);
        left -= filling;
    }
    elapsed
}

pub(super) struct Rtrb {
    producer: rtrb::Producer<u8>,
    consumer: rtrb::Consumer<u8>,
    arrived: u64,
}

impl Rtrb {
    pub(super) fn new() -> Self {
        let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        Self { producer, consumer, arrived: 0 }
    }

    fn empty(&mut self) {
        let filled = self.consumer.slots();
        if let Ok(chunk) = self.consumer.read_chunk(filled) {
            chunk.commit_all();
            self.arrived += filled as u64;
        }
    }
}

impl Sink for Rtrb {
    fn push(&mut self, count: u64) -> Duration {
        in_fillings(count, 1, |count| {
            let producer = black_box(&mut self.producer);
            let elapsed = time(|| {
                for n in 0..count {
                    // What it refuses does not arrive.
                    let _ = producer.push(black_box(character(n)));
                }
            });
            self.empty();
            elapsed
        })
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        in_fillings(count, bytes.len(), |count| {
            let producer = black_box(&mut self.producer);
            let elapsed = time(|| {
                for _ in 0..count {
                    let _ = producer.push_entire_slice(black_box(bytes));
                }
            });
            self.empty();
            elapsed
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.arrived)
    }
}

pub(super) struct Ringbuf {
    producer: HeapProd<u8>,
    consumer: HeapCons<u8>,
    arrived: u64,
}

impl Ringbuf {
    pub(super) fn new() -> Self {
        let (producer, consumer) = HeapRb::new(CAPACITY).split();
        Self { producer, consumer, arrived: 0 }
    }
}

impl Sink for Ringbuf {
    fn push(&mut self, count: u64) -> Duration {
        in_fillings(count, 1, |count| {
            let producer = black_box(&mut self.producer);
            let elapsed = time(|| {
                for n in 0..count {
                    let _ = producer.try_push(black_box(character(n)));
                }
            });
            self.arrived += self.consumer.clear() as u64;
            elapsed
        })
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        in_fillings(count, bytes.len(), |count| {
            let producer = black_box(&mut self.producer);
            let elapsed = time(|| {
                for _ in 0..count {
                    producer.push_slice(black_box(bytes));
                }
            });
            self.arrived += self.consumer.clear() as u64;
            elapsed
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.arrived)
    }
}

/// The same ring, not split: only whoever has all of it can overwrite.
pub(super) struct RingbufOverwriting {
    ring: HeapRb<u8>,
    arrived: u64,
}

impl RingbufOverwriting {
    pub(super) fn new() -> Self {
        let mut ring = HeapRb::new(CAPACITY);
        ring.push_slice_overwrite(&vec![0; CAPACITY]);
        Self { ring, arrived: 0 }
    }
}

impl Sink for RingbufOverwriting {
    fn push(&mut self, count: u64) -> Duration {
        self.arrived += count;
        let ring = black_box(&mut self.ring);
        time(|| {
            for n in 0..count {
                ring.push_overwrite(black_box(character(n)));
            }
        })
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        self.arrived += count * bytes.len() as u64;
        let ring = black_box(&mut self.ring);
        time(|| {
            for _ in 0..count {
                ring.push_slice_overwrite(black_box(bytes));
            }
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        expect("the ring that overwrites", self.ring.occupied_len() as u64, CAPACITY as u64)?;
        Ok(self.arrived)
    }
}

pub(super) struct RtHistory {
    input: rt_history::Input<u8>,
    output: rt_history::Output<u8>,
}

impl RtHistory {
    pub(super) fn new() -> Self {
        let (input, output) = RTHistory::new(CAPACITY).split();
        Self { input, output }
    }
}

impl Sink for RtHistory {
    fn push(&mut self, count: u64) -> Duration {
        let input = black_box(&mut self.input);
        time(|| {
            for n in 0..count {
                input.write(&[black_box(character(n))]);
            }
        })
    }

    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let input = black_box(&mut self.input);
        time(|| {
            for _ in 0..count {
                input.write(black_box(bytes));
            }
        })
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.output.read(&mut [])? as u64)
    }
}
