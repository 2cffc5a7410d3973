//! The real code on several threads, in each of the ways in which they can be interleaved and in which their loads can be
//! answered (`loom`), or in a random choice of them (Miri).
//!
//! Each model says how many executions it must have at least: `loom` 0.7 explores nothing, and passes, when a thread of a
//! model loads an atomic before it stores to it (tokio-rs/loom#392). Rings and writers are therefore made before threads
//! are spawned, too.

#[cfg(loom)]
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};
#[cfg(not(loom))]
use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use super::{check, fill, ring, ring_with_head};
use crate::{
    armed::Armed,
    sync::{AtomicU64, Ordering},
};

/// Explores all executions of `model` in which no thread is preempted more than `preemptions` times.
#[cfg(loom)]
fn explore(preemptions: Option<usize>, least: u64, model: impl Fn() + Sync + Send + 'static) {
    use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed};

    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check({
        let executions = Arc::clone(&executions);
        move || {
            executions.fetch_add(1, Relaxed);
            model();
        }
    });
    let executions = executions.load(Relaxed);
    println!("{executions} executions");
    assert!(executions >= least, "{executions} executions");
}

/// Miri takes each scheduling decision, and the choice of the message that a load returns, at random.
#[cfg(not(loom))]
fn explore(_: Option<usize>, _: u64, model: impl Fn()) {
    for _ in 0..100 {
        model();
    }
}

/// A reader is lapped while it reads.
#[test]
fn one_writer() {
    explore(None, 1000, || {
        let (mut writer, scrollback) = ring(16, 8);
        fill(&mut writer, 11);
        let thread = thread::spawn(move || {
            fill(&mut writer, 3);
            fill(&mut writer, 1);
            fill(&mut writer, 7);
        });
        let mut buf = [0; 16];
        check(scrollback.read_at(0, &mut buf), 0, &buf);
        thread.join().expect("a writer");
    });
}

/// The smallest ring there could be, one cell: each word replaces the one before.
#[test]
fn one_cell() {
    explore(None, 1000, || {
        let (mut writer, scrollback) = ring(8, 8);
        fill(&mut writer, 5);
        let thread = thread::spawn(move || {
            fill(&mut writer, 3);
            fill(&mut writer, 8);
            fill(&mut writer, 1);
        });
        let mut buf = [0; 8];
        check(scrollback.read_at(2, &mut buf), 2, &buf);
        thread.join().expect("a writer");
    });
}

/// Two threads take turns with the writer under a lock. One announces the granule, the other writes in it.
#[test]
fn a_writer_that_changes_threads() {
    explore(None, 1000, || {
        let (mut writer, scrollback) = ring(16, 8);
        fill(&mut writer, 16);
        let writer = Arc::new(Mutex::new(writer));
        let threads = [(); 2].map(|()| {
            let writer = Arc::clone(&writer);
            thread::spawn(move || fill(&mut writer.lock().expect("no panic"), 1))
        });
        let mut buf = [0; 8];
        check(scrollback.read_at(0, &mut buf), 0, &buf);
        for thread in threads {
            thread.join().expect("a writer");
        }
    });
}

/// The boot head takes over what is read, and then forgets it for the next boot.
#[test]
fn a_boot_head() {
    explore(Some(2), 1000, || {
        let (mut writer, scrollback) = ring_with_head(16, 8, 8);
        fill(&mut writer, 15);
        let thread = thread::spawn(move || {
            fill(&mut writer, 8);
            writer.mark();
            fill(&mut writer, 16);
        });
        let mut buf = [0; 16];
        check(scrollback.read_at(3, &mut buf), 3, &buf);
        thread.join().expect("a writer");
        // The ring has the bytes from 24 on; one byte of the boot that began before is in the head, and nothing of the first.
        let read = scrollback.read_at(0, &mut buf);
        check(read, 0, &buf);
        assert_eq!((read.start, read.next), (23, 24));
    });
}

/// A cursor that follows the writer: what it got and what it missed add up.
#[test]
fn a_following_reader() {
    explore(Some(3), 1000, || {
        let (mut writer, scrollback) = ring(16, 8);
        let mut reader = scrollback.reader_at(0);
        let thread = thread::spawn(move || {
            for len in [7, 9, 8] {
                fill(&mut writer, len);
            }
        });
        let mut accounted = 0;
        for _ in 0..2 {
            let from = reader.cursor();
            let mut buf = [0; 12];
            let read = reader.read(&mut buf);
            check(read, from, &buf);
            accounted += read.missed + read.len() as u64;
        }
        assert_eq!(reader.cursor(), accounted);
        thread.join().expect("a writer");
    });
}

/// The eventfd of a [`Doorbell`](crate::Doorbell).
#[derive(Default)]
struct Event {
    count: Mutex<u64>,
    readable: Condvar,
}

impl Event {
    fn write(&self) {
        *self.count.lock().expect("no panic") += 1;
        self.readable.notify_one();
    }

    /// Waits until it is readable. `loom` fails the model if that is never.
    fn wait(&self) {
        let mut count = self.count.lock().expect("no panic");
        while *count == 0 {
            count = self.readable.wait(count).expect("no panic");
        }
    }

    fn read(&self) {
        *self.count.lock().expect("no panic") = 0;
    }
}

struct Bell {
    armed: Armed,
    event: Event,
    /// How much was produced.
    data: AtomicU64,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self { armed: Armed::new(), event: Event::default(), data: AtomicU64::new(0) })
    }

    fn ring_if_armed(&self) -> bool {
        let armed = self.armed.take();
        if armed {
            self.event.write();
        }
        armed
    }

    /// The sleeper's loop as [`Doorbell`](crate::Doorbell) says it, until it has seen `all` of the data.
    fn sleep_until(&self, all: u64) {
        loop {
            if self.data.load(Ordering::Acquire) == all {
                return;
            }
            self.armed.arm();
            if self.data.load(Ordering::Acquire) != all {
                self.event.wait();
            }
            self.armed.disarm();
            self.event.read();
        }
    }
}

/// A wake-up is never lost: a sleeper for ever is a deadlock, which `loom` reports.
#[test]
fn a_sleeper_wakes() {
    explore(None, 1000, || {
        let bell = Bell::new();
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || {
                for produced in 1..=2 {
                    bell.data.store(produced, Ordering::Release);
                    bell.ring_if_armed();
                }
            }
        });
        bell.sleep_until(2);
        producer.join().expect("a producer");
    });
}

/// The same with two producers.
#[test]
fn a_sleeper_wakes_to_either_producer() {
    explore(Some(3), 1000, || {
        let bell = Bell::new();
        let producers = [(); 2].map(|()| {
            let bell = Arc::clone(&bell);
            thread::spawn(move || {
                bell.data.fetch_add(1, Ordering::Release);
                bell.ring_if_armed();
            })
        });
        bell.sleep_until(2);
        for producer in producers {
            producer.join().expect("a producer");
        }
    });
}

/// Of the producers after one `arm`, one rings.
#[test]
fn wake_ups_are_coalesced() {
    explore(None, 5, || {
        let bell = Bell::new();
        bell.armed.arm();
        let producer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || bell.ring_if_armed()
        });
        let here = bell.ring_if_armed();
        let there = producer.join().expect("a producer");
        assert!(here != there, "rung {here} here, {there} there");
    });
}
