//! A fast writer and readers beside it: each byte read is the one written at that offset, each loss is exact.
//!
//! On x86 this finds mistakes in the arithmetic, and few in the orderings; those are for the models.

use std::thread;

use vuart_scrollback::{Reader, Scrollback};

const BYTES: u64 = if cfg!(miri) { 5 << 10 } else { 32 << 20 };

/// A table of the bytes that belong at consecutive offsets, by which they are compared a slice at a time. Its length is
/// a prime, so that offsets a capacity apart hold different bytes.
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
    // At full speed the writer laps the readers nearly all the time: they are overtaken while they copy. When it lets them
    // catch up now and then, they see most of the bytes.
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
