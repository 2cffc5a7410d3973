//! A fast writer with readers beside it: each byte that is read is the byte written at that offset, and each loss is exact.
//!
//! On x86 this finds mistakes in the arithmetic, and few in the orderings. The models find those.

mod support;

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use vuart_scrollback::{Position, Reader, RingOptions, Scrollback};

use support::Random;

const BYTES: u64 = if cfg!(miri) { 5 << 10 } else { 32 << 20 };

/// The bytes that belong at consecutive offsets, to compare a slice at a time. The period is a prime, so that offsets a capacity apart
/// hold different bytes.
fn pattern() -> Vec<u8> {
    let mut pattern: Vec<u8> = Vec::with_capacity(2 * PERIOD);
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..PERIOD {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern.push(state.to_be_bytes()[0]);
    }
    pattern.extend_from_within(..);
    pattern
}

const PERIOD: usize = if cfg!(miri) { 251 } else { 8191 };

fn expected(pattern: &[u8], offset: u64, len: usize) -> &[u8] {
    let first = usize::try_from(offset % PERIOD as u64).expect("less than the period");
    &pattern[first..first + len]
}

struct Totals {
    read: u64,
    missed: u64,
    reads: u64,
}

fn follow(mut reader: Reader, size: usize) -> Totals {
    let pattern = pattern();
    let mut buf = vec![0; size];
    let mut totals = Totals { read: 0, missed: 0, reads: 0 };
    while reader.cursor() < BYTES {
        let before = reader.cursor();
        let read = reader.read(&mut buf);
        assert_eq!(read.start - before, read.missed);
        assert_eq!(reader.cursor(), read.next);
        assert!(read.next <= BYTES, "{read:?}");
        assert!(buf[..read.len()] == *expected(&pattern, read.start, read.len()), "{read:?}");
        totals.read += read.len() as u64;
        totals.missed += read.missed;
        totals.reads += 1;
        if read.is_empty() {
            thread::yield_now();
        }
    }
    totals
}

fn stress(capacity: usize, slice: usize) {
    // At full speed the writer laps the readers nearly all the time, while they copy. If it lets them catch up now and then, they see
    // most of the bytes.
    run(capacity, slice, false);
    run(capacity, slice, true);
}

fn run(capacity: usize, slice: usize, yields: bool) {
    let (mut writer, scrollback) = Scrollback::new(capacity).expect("a capacity that is allowed");
    thread::scope(|scope| {
        let readers: Vec<_> = [64, PERIOD]
            .map(|size| {
                scope.spawn({
                    let reader = scrollback.reader_at(0);
                    move || follow(reader, size)
                })
            })
            .into();
        let pattern = pattern();
        while writer.end() < BYTES {
            let left = usize::try_from(BYTES - writer.end()).expect("little is left");
            let bytes = expected(&pattern, writer.end(), slice.min(left).min(PERIOD));
            if let [byte] = bytes {
                writer.push(*byte);
            } else {
                writer.extend(bytes);
            }
            let before = writer.end() - bytes.len() as u64;
            if yields && writer.end() >> 12 != before >> 12 {
                thread::yield_now();
            }
        }
        for reader in readers {
            let totals = reader.join().expect("a reader that found no fault");
            assert_eq!(totals.read + totals.missed, BYTES);
            println!("{} bytes in {} reads, {} missed", totals.read, totals.reads, totals.missed);
        }
    });
}

#[test]
fn bytes_one_at_a_time() {
    stress(Scrollback::MIN_CAPACITY, 1);
}

#[test]
fn slices_that_are_out_of_step_with_the_cells() {
    stress(Scrollback::MIN_CAPACITY, 61);
}

#[test]
fn large_slices_in_a_larger_ring() {
    stress(64 << 10, 5000);
}

/// A reader that behaves at random, by a seed: it draws how much it reads at once, where it begins, and how often it begins again.
struct Wanderer {
    reader: Reader,
    random: Random,
    pattern: Vec<u8>,
    buf: Vec<u8>,
    totals: Totals,
}

impl Wanderer {
    fn new(scrollback: &Scrollback, seed: u64) -> Self {
        let mut random = Random(seed);
        let size = random.small(PERIOD - 1) + 1;
        Self {
            reader: scrollback.reader_at(0),
            random,
            pattern: pattern(),
            buf: vec![0; size],
            totals: Totals { read: 0, missed: 0, reads: 0 },
        }
    }

    /// Reads until its cursor is at the end.
    fn run(mut self, scrollback: &Scrollback, over: &AtomicBool) -> Totals {
        let (mut begun, mut accounted) = (0, 0);
        loop {
            // Before the read, which then has the bytes before the end.
            let last = over.load(Ordering::Acquire);
            let at = self.reader.cursor();
            let read = self.reader.read(&mut self.buf);
            assert_eq!((read.start - at, self.reader.cursor()), (read.missed, read.next));
            let expected = expected(&self.pattern, read.start, read.len());
            assert!(self.buf[..read.len()] == *expected, "{read:?} from {at}");
            assert!(read.next <= scrollback.end(), "{read:?} from {at}");
            // No byte is given up that the ring retains for sure. With the fence, this end is not before the one that the read has seen.
            fence(Ordering::Acquire);
            let sure = scrollback.end().saturating_sub(scrollback.retained() as u64);
            assert!(read.missed == 0 || read.start <= sure, "{read:?} from {at}");
            self.totals.read += read.len() as u64;
            self.totals.missed += read.missed;
            self.totals.reads += 1;
            accounted += read.missed + read.len() as u64;
            // Each offset that the cursor passed was read or missed, once.
            assert_eq!(accounted, self.reader.cursor() - begun);
            if read.is_empty() && read.missed == 0 {
                if last {
                    return self.totals;
                }
                thread::yield_now();
            }
            if self.random.below(1000) == 0 {
                let end = scrollback.end();
                let position = match self.random.below(5) {
                    0 => Position::Oldest,
                    1 => Position::Boot,
                    2 => Position::Newest(self.random.below(2 * STRESSED as u64)),
                    3 => Position::End,
                    _ => Position::Offset(self.random.below(end + 1)),
                };
                begun = scrollback.offset(position);
                self.reader.seek(begun);
                accounted = 0;
            }
        }
    }
}

/// The capacity of the ring for the random readers, in bytes.
const STRESSED: usize = 64 << 10;

/// The writer writes at full speed, in pieces of all sizes, with a boot now and then, and eight readers run beside it. It takes a second,
/// or `VUART_STRESS_SECONDS`. `VUART_SEED` repeats the random numbers, but not the scheduling of the threads.
#[test]
#[cfg_attr(miri, ignore = "it is made of luck; the models are for Miri")]
fn eight_readers() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a decimal number"));
    let seconds = number("VUART_STRESS_SECONDS").unwrap_or(1);
    let seed = number("VUART_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("VUART_SEED={seed}");
    let mut random = Random(seed);
    let options = RingOptions::new(STRESSED).with_boot_head(10_000);
    let (mut writer, scrollback) = options.create().expect("a ring");
    let over = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_secs(seconds);
    thread::scope(|scope| {
        let readers = [(); 8].map(|()| {
            let (wanderer, scrollback, over) =
                (Wanderer::new(&scrollback, random.next()), &scrollback, &over);
            scope.spawn(move || wanderer.run(scrollback, over))
        });
        let pattern = pattern();
        while Instant::now() < until && !readers.iter().any(ScopedJoinHandle::is_finished) {
            for _ in 0..10_000 {
                match random.below(4) {
                    0 => writer.extend(expected(&pattern, writer.end(), random.small(5000))),
                    1 => writer.extend(expected(&pattern, writer.end(), random.small(20))),
                    _ => writer.push(expected(&pattern, writer.end(), 1)[0]),
                }
            }
            if random.below(50) == 0 {
                writer.mark();
            }
        }
        over.store(true, Ordering::Release);
        for reader in readers {
            let Totals { read, missed, reads } = reader.join().expect("a reader that found no fault");
            println!("{read} bytes in {reads} reads, {missed} missed");
            assert!(read > 0);
        }
    });
    println!("{} bytes written in {seconds} s", writer.end());
}
