//! A ring and a queue from which threads copy the newest 64 KiB every 10 µs while they are written to.

use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vuart::scrollback::{CapacityError, Scrollback, Writer};

use super::locked::Locked;

/// The number of bytes of a copy.
const LEN: usize = 64 << 10;

/// The time from the beginning of one copy to that of the next.
const PERIOD: Duration = Duration::from_micros(10);

/// A ring that always holds 64 KiB to copy.
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

    /// Runs `write` while as many threads as `readers` says copy.
    pub(super) fn while_copied<T>(&mut self, readers: usize, write: impl FnOnce(&mut Writer) -> T) -> T {
        let (writer, scrollback, copied) = (&mut self.writer, &self.scrollback, &self.copied);
        let copy = |buf: &mut [u8]| {
            // The writer may overwrite some of it when this thread has to wait for a core.
            let read = scrollback.read_at(scrollback.end() - LEN as u64, buf);
            copied.fetch_add(read.len() as u64, Ordering::Relaxed);
        };
        while_copied(readers, &copy, || write(writer))
    }

    /// Checks that the readers have copied something.
    pub(super) fn verify(&self) -> Result<(), Box<dyn Error>> {
        if self.copied.load(Ordering::Relaxed) > 0 {
            Ok(())
        } else {
            Err("the readers copied nothing".into())
        }
    }
}

/// A queue behind a mutex. A thread that copies holds the mutex meanwhile.
pub(super) struct CopiedQueue(Locked);

impl CopiedQueue {
    pub(super) fn new() -> Self {
        Self(Locked::new(LEN))
    }

    /// Runs `write` while as many threads as `readers` says copy.
    pub(super) fn while_copied<T>(&mut self, readers: usize, write: impl FnOnce(&Locked) -> T) -> T {
        while_copied(readers, &|buf: &mut [u8]| self.0.copy(buf), || write(&self.0))
    }
}

/// Runs `write` while threads copy. Each of them has copied once before.
fn while_copied<T>(readers: usize, copy: &(dyn Fn(&mut [u8]) + Sync), write: impl FnOnce() -> T) -> T {
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
            // A reader that is late does not catch up.
            next = Instant::now().max(next + PERIOD);
            while Instant::now() < next {
                // No sleep is as short as 10 µs. Where cores are too few, another thread may need this one.
                if crowded { thread::yield_now() } else { spin_loop() }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(reader);
        }
        ready.wait();
        let result = write();
        over.store(true, Ordering::Relaxed);
        result
    })
}
