//! Every behaviour of a reader, for some histories of the writer.

use std::collections::BTreeSet;

use vuart_explore::messages::History;

use super::{check, fill, ring, ring_of, ring_with_head};
use crate::{
    Position, Read, Scrollback, Writer,
    geometry::Geometry,
    offsets::Offsets,
    sync::{AtomicU64, Ordering},
};

/// A ring that every thread knows, before anything is written to it.
fn begin(ring: impl FnOnce() -> (Writer, Scrollback)) -> (History, Writer, Scrollback) {
    let history = History::begin();
    let (writer, scrollback) = ring();
    history.settle();
    (history, writer, scrollback)
}

/// Writes slices of the given lengths. If `handed_over`, each by another thread, under a mutex.
fn write(capacity: usize, granule: usize, slices: &[usize], handed_over: bool) -> (History, Scrollback) {
    let (history, mut writer, scrollback) = begin(|| ring(capacity, granule));
    for len in slices {
        fill(&mut writer, *len);
        if handed_over {
            history.hand_over();
        }
    }
    (history, scrollback)
}

/// The result of a read. Tests demand that each kind occurs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Nothing,
    Whole,
    Rest,
    Lost,
}

impl Ending {
    fn of(read: Read) -> Self {
        match (read.missed, read.is_empty()) {
            (0, true) => Self::Nothing,
            (0, false) => Self::Whole,
            (_, false) => Self::Rest,
            (_, true) => Self::Lost,
        }
    }
}

/// Tries every behaviour of one read from each offset. `least` guards against exploring nothing.
fn explore_reads(capacity: usize, granule: usize, slices: &[usize], least: u64) {
    let end = slices.iter().map(|len| *len as u64).sum();
    for handed_over in [false, true] {
        let (history, scrollback) = write(capacity, granule, slices, handed_over);
        let mut endings = BTreeSet::new();
        let mut executions = 0;
        for from in 0..=end {
            executions += history.explore(|| {
                let mut buf = vec![0; capacity];
                let read = scrollback.read_at(from, &mut buf);
                check(read, from, &buf);
                endings.insert(Ending::of(read));
                // A byte is given up only if the writer has announced to overwrite it.
                assert!(
                    read.missed == 0 || read.start <= scrollback.oldest_in_ring(),
                    "{read:?} from {from}"
                );
            });
        }
        println!("{slices:?} in {capacity} bytes: {executions} executions");
        assert!(executions >= least, "{executions} executions");
        assert_eq!(endings.len(), 4, "{endings:?}");
    }
}

#[test]
fn single_bytes() {
    explore_reads(16, 8, &[1; 40], 50_000);
}

#[test]
fn bytes_of_several_cells_to_a_granule() {
    explore_reads(32, 16, &[1; 52], 50_000);
}

#[test]
fn slices_of_whole_cells() {
    explore_reads(32, 8, &[8; 10], 10_000);
}

#[test]
fn slices_out_of_step_with_the_cells() {
    explore_reads(16, 8, &[3, 5, 7, 1, 11, 2, 13, 6, 4, 9], 10_000);
    explore_reads(32, 16, &[13, 20, 1, 7, 9, 5, 16, 2, 17, 3], 10_000);
}

/// The end of the stream that a thread has seen is behind its later reads.
#[test]
fn what_the_end_promised_is_there() {
    let (history, scrollback) = write(16, 8, &[1; 20], true);
    let executions = history.explore(|| {
        let end = scrollback.end();
        let Some(from) = end.checked_sub(1) else { return };
        let mut buf = [0; 4];
        let read = scrollback.read_at(from, &mut buf);
        check(read, from, &buf);
        assert!(read.next >= end, "{read:?} after the end was {end}");
    });
    assert!(executions >= 1000, "{executions} executions");
}

/// The end of the stream makes visible what its writer did before.
#[test]
fn the_end_publishes() {
    let (history, mut writer, scrollback) = begin(|| ring(16, 8));
    let elsewhere = AtomicU64::new(0);
    for value in 1..=5 {
        elsewhere.store(value, Ordering::Relaxed);
        fill(&mut writer, 3);
    }
    let executions = history.explore(|| {
        let end = scrollback.end();
        assert!(elsewhere.load(Ordering::Relaxed) >= end / 3);
    });
    assert_eq!(executions, 6 + 5 + 4 + 3 + 2 + 1);
}

/// A cursor accounts for each offset once, over several reads.
#[test]
fn successive_reads_join_without_a_gap() {
    let (history, scrollback) = write(16, 8, &[5, 6, 7, 8, 9], true);
    let executions = history.explore(|| {
        let mut reader = scrollback.reader_at(0);
        let (mut seen, mut missed) = (0, 0);
        for _ in 0..2 {
            let from = reader.cursor();
            let mut buf = [0; 9];
            let read = reader.read(&mut buf);
            check(read, from, &buf);
            seen += read.len() as u64;
            missed += read.missed;
        }
        assert_eq!(reader.cursor(), seen + missed);
    });
    assert!(executions >= 1000, "{executions} executions");
}

/// Writes slices of the given lengths into a ring with a boot head. A boot begins before each slice at `marks`.
fn write_boots(head: usize, slices: &[usize], marks: &[usize], handed_over: bool) -> (History, Scrollback) {
    let (history, mut writer, scrollback) = begin(|| ring_with_head(16, 8, head));
    for (index, len) in slices.iter().enumerate() {
        if marks.contains(&index) {
            writer.mark();
        }
        fill(&mut writer, *len);
        if handed_over {
            history.hand_over();
        }
    }
    (history, scrollback)
}

/// Bytes come from the ring or from the boot head, of one boot or of the next.
#[test]
fn a_boot_head_that_changes_hands() {
    for (slices, marks, least) in [
        (&[7, 8, 9, 3][..], &[][..], 1000),
        (&[3, 8, 5, 8, 7, 8][..], &[1][..], 1000),
        (&[8, 8, 8, 5, 8, 8][..], &[1, 4][..], 1000),
    ] {
        for handed_over in [false, true] {
            let (history, scrollback) = write_boots(8, slices, marks, handed_over);
            let end: usize = slices.iter().sum();
            let mut executions = 0;
            let mut from_head = 0;
            for from in 0..=end as u64 {
                executions += history.explore(|| {
                    let mut buf = [0; 16];
                    let read = scrollback.read_at(from, &mut buf);
                    check(read, from, &buf);
                    // Nothing that the ring still has is missed for the head.
                    assert!(
                        read.missed == 0 || read.start <= scrollback.oldest_in_ring(),
                        "{read:?} from {from}"
                    );
                    // The writer has let this byte go from the ring before it wrote the last byte.
                    from_head += u64::from(!read.is_empty() && read.start + 24 <= end as u64);
                });
            }
            println!("{slices:?}, boots at {marks:?}: {executions} executions");
            assert!(executions >= least && from_head > 0, "{executions} executions, {from_head} of the head");
        }
    }
}

/// What the boot head takes over is there at each moment, in the ring or in the head.
#[test]
fn nothing_is_missed_while_the_boot_head_takes_it_over() {
    for handed_over in [false, true] {
        let (history, scrollback) = write_boots(16, &[5, 8, 8, 8, 5], &[], handed_over);
        let mut executions = 0;
        for from in 0..16 {
            executions += history.explore(|| {
                let mut buf = [0; 16];
                let read = scrollback.read_at(from, &mut buf);
                check(read, from, &buf);
                assert_eq!(read.missed, 0, "{read:?} from {from}");
                // The same holds for whoever begins at what is said to be the oldest.
                let oldest = scrollback.oldest();
                assert_eq!(oldest, 0);
            });
        }
        println!("{executions} executions");
        assert!(executions >= 5000, "{executions} executions");
    }
}

/// A boot's beginning makes visible what was before it.
#[test]
fn a_boot_follows_what_was_before() {
    let (history, scrollback) = write_boots(8, &[3, 4, 5], &[1, 2], true);
    let executions = history.explore(|| {
        let boot = scrollback.boot();
        assert!(scrollback.end() >= boot);
    });
    assert!(executions >= 6, "{executions} executions");
}

/// A ring is read from a file that anybody may have written. Nothing in its header leads a read astray.
#[test]
fn no_header_does_harm() {
    const VALUES: [u64; 8] = [0, 1, 17, 1 << 40, u64::MAX - 17, u64::MAX - 8, u64::MAX - 1, u64::MAX];
    let geometry = Geometry { capacity: 16, granule: 8, head: 8, origin: 0 };
    for (tail, intent) in pairs(&VALUES) {
        for (boot, kept) in pairs(&VALUES) {
            let offsets = Offsets { tail, intent, boot, kept };
            let (_history, _writer, scrollback) = begin(|| ring_of(geometry, offsets));
            for from in VALUES {
                for size in [0, 1, 15, 40] {
                    let mut buf = vec![0; size];
                    let read = scrollback.read_at(from, &mut buf);
                    assert!(from <= read.start && read.len() <= size.min(16), "{read:?} from {from}");
                    assert_eq!(read.missed, read.start - from);
                }
                scrollback.offset(Position::Newest(from));
            }
            scrollback.offset(Position::NewestLines(3));
        }
    }
}

fn pairs(values: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    values.iter().flat_map(|first| values.iter().map(|second| (*first, *second)))
}
