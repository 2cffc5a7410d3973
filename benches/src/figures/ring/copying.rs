//! Writing as in production: while readers copy the newest 64 KiB every 10 µs.

use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vuart::scrollback::{CapacityError, Scrollback, Writer};

use super::super::Rows;
use super::super::register::character;
use super::locked::Locked;
use crate::measure::{Effort, Pair, medians, time};
use crate::table::Row;

/// What each reader copies at a time.
const LEN: usize = 64 << 10;

/// From the beginning of one copy to that of the next.
const PERIOD: Duration = Duration::from_micros(10);

pub(super) fn rows(effort: Effort) -> Rows {
    let (mut ring, mut queue) = (CopiedRing::new()?, CopiedQueue::new());
    let medians = medians(
        effort,
        &mut [
            &mut |count| {
                ring.turn(1, |writer| {
                    time(|| {
                        for n in 0..count {
                            writer.push(black_box(character(n)));
                        }
                    })
                })
            },
            &mut |count| {
                queue.turn(1, |queue| {
                    time(|| {
                        for n in 0..count {
                            queue.push_byte(black_box(character(n)));
                        }
                    })
                })
            },
        ],
    );
    ring.verify()?;
    let figure = "ring push of 1 byte vs `Mutex<VecDeque<u8>>`, both copied from every 10 µs, ns";
    Ok(vec![Row::new(figure, Pair { ours: medians[0], peer: medians[1] })])
}

/// A ring of which 64 KiB can be copied at any moment.
pub(super) struct CopiedRing {
    writer: Writer,
    scrollback: Scrollback,
    copied: AtomicU64,
}

impl CopiedRing {
    pub(super) fn new() -> Result<Self, CapacityError> {
        let (mut writer, scrollback) = Scrollback::new(2 * LEN)?;
        writer.extend(&vec![0; LEN]);
        Ok(Self { writer, scrollback, copied: AtomicU64::new(0) })
    }

    /// Gives the writer its turn, while so many threads copy what it writes.
    pub(super) fn turn<T>(&mut self, readers: usize, turn: impl FnOnce(&mut Writer) -> T) -> T {
        let (writer, scrollback, copied) = (&mut self.writer, &self.scrollback, &self.copied);
        let copy = |buf: &mut [u8]| {
            // The writer goes on meanwhile, and may overwrite some of it when this thread has to wait for a core.
            let read = scrollback.read_at(scrollback.end() - LEN as u64, buf);
            copied.fetch_add(read.len() as u64, Ordering::Relaxed);
        };
        beside(readers, &copy, || turn(writer))
    }

    /// An error if the readers have copied nothing.
    pub(super) fn verify(&self) -> Result<(), Box<dyn Error>> {
        if self.copied.load(Ordering::Relaxed) > 0 { Ok(()) } else { Err("the readers got nothing".into()) }
    }
}

/// The queue behind a lock. Who copies from it holds the lock meanwhile.
pub(super) struct CopiedQueue(Locked);

impl CopiedQueue {
    pub(super) fn new() -> Self {
        Self(Locked::new(LEN))
    }

    /// Gives whoever pushes his turn, while so many threads copy.
    pub(super) fn turn<T>(&mut self, readers: usize, turn: impl FnOnce(&Locked) -> T) -> T {
        beside(readers, &|buf: &mut [u8]| self.0.copy(buf), || turn(&self.0))
    }
}

/// Does `turn` while so many threads copy, each of which has begun before.
fn beside<T>(readers: usize, copy: &(dyn Fn(&mut [u8]) + Sync), turn: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let ready = Barrier::new(readers + 1);
    let crowded = readers >= thread::available_parallelism().map_or(1, usize::from);
    let reader = || {
        let mut buf = vec![0; LEN];
        copy(&mut buf);
        ready.wait();
        let mut next = Instant::now();
        while !over.load(Ordering::Relaxed) {
            copy(black_box(&mut buf));
            // One that is late does not make up for it.
            next = Instant::now().max(next + PERIOD);
            while Instant::now() < next {
                // No sleep is as short as 10 µs. Where cores are too few, somebody else may need this one.
                if crowded { thread::yield_now() } else { spin_loop() }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(reader);
        }
        ready.wait();
        let result = turn();
        over.store(true, Ordering::Relaxed);
        result
    })
}
