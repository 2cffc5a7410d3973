//! Our ring, and the rings of other crates that could be used instead.

use std::error::Error;
use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use ringbuf::HeapRb;
use ringbuf::traits::Observer as _;
use rt_history::RTHistory;
use vuart::scrollback::{CapacityError, Scrollback, Writer};

use super::sink::{CAPACITY, Sink, SliceSink};
use crate::guest::character;
use crate::measure::time;
use crate::verify::expect;

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

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        let end = self.scrollback.end();
        let mut newest = [0; 4096];
        let read = self.scrollback.read_at(end.saturating_sub(newest.len() as u64), &mut newest);
        expect("the reader of the ring's end", read.len() as u64, end.min(newest.len() as u64))?;
        Ok(end)
    }
}

impl SliceSink for Ours {
    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let writer = black_box(&mut self.writer);
        time(|| {
            for _ in 0..count {
                writer.extend(black_box(bytes));
            }
        })
    }
}

/// Bytes at a chosen place in a page.
///
/// On some processors a copy takes twenty times as long between addresses that have nearly the same place in their pages. That would say
/// nothing about a ring.
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

/// A plain ring, which is the lower bound: other threads could not read it without a data race.
pub(super) struct Plain {
    ring: Placed,
    end: u64,
}

impl Plain {
    pub(super) fn new() -> Self {
        // The cells of our ring begin there, too.
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
        // The compiler removes the bounds check, because x & (len - 1) < len.
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

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.end)
    }
}

impl SliceSink for Plain {
    fn extend(&mut self, count: u64, bytes: &[u8]) -> Duration {
        let plain = black_box(self);
        time(|| {
            for _ in 0..count {
                plain.push_slice(black_box(bytes));
            }
        })
    }
}

/// rtrb's ring, which refuses what does not fit. It is filled and emptied in turn, and emptying does not count.
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
        let (mut left, mut elapsed) = (count, Duration::ZERO);
        while left > 0 {
            let filling = left.min(CAPACITY as u64);
            let producer = black_box(&mut self.producer);
            elapsed += time(|| {
                for n in 0..filling {
                    // A byte that is refused does not arrive, and the check at the end finds it.
                    let _ = producer.push(black_box(character(n)));
                }
            });
            self.empty();
            left -= filling;
        }
        elapsed
    }

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.arrived)
    }
}

/// ringbuf's ring. Only a ring that is not split into producer and consumer can overwrite.
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

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        expect("the ring that overwrites", self.ring.occupied_len() as u64, CAPACITY as u64)?;
        Ok(self.arrived)
    }
}

/// rt-history's ring, which overwrites as ours does.
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

    fn arrived(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(self.output.read(&mut [])? as u64)
    }
}
