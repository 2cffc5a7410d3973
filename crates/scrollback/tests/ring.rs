//! The results of reads, in the edge cases.

mod support;

use support::filled::{CAPACITY, byte_at};
use vuart_scrollback::{CapacityError, OptionsError, Read, Scrollback, Writer};

fn ring() -> (Writer, Scrollback) {
    Scrollback::new(CAPACITY).expect("a capacity that is allowed")
}

fn fill(writer: &mut Writer, count: usize) {
    let end = writer.end();
    let bytes: Vec<u8> = (end..end + count as u64).map(byte_at).collect();
    writer.extend(&bytes);
}

#[track_caller]
fn check(read: Read, from: u64, buf: &[u8]) {
    assert_eq!(read.missed, read.start - from);
    for (offset, byte) in (read.start..read.next).zip(buf) {
        assert_eq!(*byte, byte_at(offset), "offset {offset}");
    }
}

#[test]
fn capacities_are_checked() {
    for capacity in [0, 1, 7, CAPACITY / 2, CAPACITY - 1, Scrollback::MAX_CAPACITY * 2, usize::MAX] {
        assert_eq!(Scrollback::new(capacity).err(), Some(CapacityError::OutOfRange { capacity }));
    }
    for capacity in [CAPACITY + 1, CAPACITY * 3, Scrollback::MAX_CAPACITY - 1] {
        assert_eq!(Scrollback::new(capacity).err(), Some(CapacityError::NotPowerOfTwo { capacity }));
    }
    assert_eq!(
        CapacityError::OutOfRange { capacity: 1 }.to_string(),
        "the capacity of 1 bytes is not within 4096..=1073741824 bytes"
    );
}

#[test]
fn starts_are_checked() {
    assert_eq!(
        Scrollback::starting_at(1, 0).err(),
        Some(OptionsError::Capacity(CapacityError::OutOfRange { capacity: 1 }))
    );
    let offset = Scrollback::MAX_START + 1;
    assert_eq!(Scrollback::starting_at(CAPACITY, offset).err(), Some(OptionsError::Offset { offset }));
    assert!(Scrollback::starting_at(CAPACITY, Scrollback::MAX_START).is_ok());
}

#[test]
fn an_empty_ring_has_nothing_to_read() {
    let (writer, scrollback) = ring();
    let mut buf = [0; 8];
    assert_eq!(scrollback.read_at(0, &mut buf), Read { start: 0, next: 0, missed: 0 });
    assert_eq!((scrollback.oldest(), scrollback.end(), writer.end()), (0, 0, 0));
    assert_eq!(scrollback.capacity(), CAPACITY);
}

#[test]
fn each_way_of_writing_each_way_of_reading() {
    // Every alignment of a push, a slice and a read to the 8-byte cells.
    let step = if cfg!(miri) { 5 } else { 1 };
    for lead in (0..9).step_by(step) {
        for len in (0..26).step_by(step) {
            let (mut writer, scrollback) = ring();
            (0..lead).for_each(|offset| writer.push(byte_at(offset)));
            fill(&mut writer, len);
            writer.push(byte_at(writer.end()));
            let end = lead + len as u64 + 1;
            assert_eq!((writer.end(), scrollback.end()), (end, end));
            for from in 0..=end {
                for size in [0, 1, 7, 8, 9, 16, 40] {
                    let mut buf = vec![0xEE; size];
                    let read = scrollback.read_at(from, &mut buf);
                    assert_eq!((read.start, read.len() as u64), (from, (end - from).min(size as u64)));
                    check(read, from, &buf);
                    assert!(buf[read.len()..].iter().all(|byte| *byte == 0xEE));
                }
            }
        }
    }
}

#[test]
fn reading_leaves_the_bytes() {
    let (mut writer, scrollback) = ring();
    fill(&mut writer, 100);
    let mut buf = [0; 100];
    for _ in 0..2 {
        assert_eq!(scrollback.read_at(0, &mut buf).len(), 100);
        assert_eq!(writer.scrollback().clone().read_at(0, &mut buf).len(), 100);
    }
}

#[test]
fn a_lapped_reader_learns_how_much_it_missed() {
    let (mut writer, scrollback) = ring();
    let (rounds, len) = if cfg!(miri) { (4, 2333) } else { (100, 333) };
    for _ in 0..rounds {
        fill(&mut writer, len);
        let (oldest, end) = (scrollback.oldest(), scrollback.end());
        assert_eq!(end, writer.end());
        assert!(end - oldest <= CAPACITY as u64);
        assert!(end - oldest >= end.min(scrollback.retained() as u64));
        let mut buf = vec![0; 2 * CAPACITY];
        let read = scrollback.read_at(0, &mut buf);
        assert_eq!(read, Read { start: oldest, next: end, missed: oldest });
        check(read, 0, &buf);
        // The loss is reported even into an empty buffer.
        assert_eq!(scrollback.read_at(0, &mut []), Read { start: oldest, next: oldest, missed: oldest });
    }
}

#[test]
fn a_slice_larger_than_the_ring_leaves_its_newest_bytes() {
    let (mut writer, scrollback) = ring();
    fill(&mut writer, 3);
    fill(&mut writer, 2 * CAPACITY + 5);
    let mut buf = vec![0; CAPACITY];
    let read = scrollback.read_at(7, &mut buf);
    assert_eq!(read.next, 2 * CAPACITY as u64 + 8);
    assert!(read.len() >= scrollback.retained());
    check(read, 7, &buf);
}

#[test]
fn a_cursor_in_the_future_waits() {
    let (mut writer, scrollback) = ring();
    fill(&mut writer, 10);
    let mut buf = [0; 8];
    for from in [10, 11, u64::MAX - 1, u64::MAX] {
        assert_eq!(scrollback.read_at(from, &mut buf), Read { start: from, next: from, missed: 0 });
    }
    let mut reader = scrollback.reader_at(12);
    assert!(!reader.is_behind());
    assert!(reader.read(&mut buf).is_empty());
    fill(&mut writer, 10);
    assert!(reader.is_behind());
    let read = reader.read(&mut buf);
    assert_eq!(read, Read { start: 12, next: 20, missed: 0 });
    check(read, 12, &buf);
}

#[test]
fn offsets_go_on_from_a_start() {
    for start in [1, 4099, (1 << 32) - 3, Scrollback::MAX_START - 5, Scrollback::MAX_START] {
        let (mut writer, scrollback) = Scrollback::starting_at(CAPACITY, start).expect("an allowed start");
        let mut buf = vec![0; CAPACITY];
        assert_eq!(scrollback.read_at(0, &mut buf), Read { start, next: start, missed: start });
        assert_eq!((scrollback.oldest(), scrollback.end(), writer.end()), (start, start, start));

        fill(&mut writer, 50);
        let read = scrollback.read_at(start - 1, &mut buf);
        assert_eq!(read, Read { start, next: start + 50, missed: 1 });
        check(read, start - 1, &buf);

        fill(&mut writer, 3 * CAPACITY);
        let read = scrollback.read_at(start, &mut buf);
        assert!(read.len() >= scrollback.retained());
        check(read, start, &buf);
    }
}

#[test]
fn a_read_moves_the_cursor_over_its_bytes() {
    let (mut writer, scrollback) = ring();
    let mut reader = scrollback.reader_at(scrollback.end());
    fill(&mut writer, 20);
    let mut buf = [0; 8];
    for (start, len) in [(0, 8), (8, 8), (16, 4), (20, 0)] {
        assert_eq!(reader.cursor(), start);
        let read = reader.read(&mut buf);
        assert_eq!((read.start, read.len()), (start, len));
        check(read, start, &buf);
    }
    reader.seek(3);
    assert_eq!(reader.read(&mut buf).start, 3);
}

#[test]
fn a_peek_moves_the_cursor_over_missed_bytes_only() {
    let (mut writer, scrollback) = ring();
    let mut reader = scrollback.reader_at(0);
    fill(&mut writer, 2 * CAPACITY);
    let oldest = scrollback.oldest();
    let mut buf = [0; 8];
    assert_eq!(reader.peek(&mut buf), Read { start: oldest, next: oldest + 8, missed: oldest });
    assert_eq!(reader.peek(&mut buf), Read { start: oldest, next: oldest + 8, missed: 0 });
    reader.advance(3);
    let read = reader.peek(&mut buf);
    assert_eq!(read, Read { start: oldest + 3, next: oldest + 11, missed: 0 });
    check(read, oldest + 3, &buf);

    reader.seek(u64::MAX - 1);
    reader.advance(3);
    assert_eq!(reader.cursor(), u64::MAX);
    assert!(reader.peek(&mut buf).is_empty());
}

#[test]
fn handles_cross_threads() {
    fn assert_send<T: Send>(_: &T) {}
    fn assert_sync<T: Sync>(_: &T) {}
    let (writer, scrollback) = ring();
    assert_send(&writer);
    assert_send(&scrollback);
    assert_sync(&scrollback);
    assert_send(&scrollback.reader_at(0));
}

#[test]
fn debug_output_does_not_show_the_bytes() {
    let (mut writer, scrollback) = ring();
    fill(&mut writer, 5);
    assert_eq!(format!("{scrollback:?}"), "Scrollback { capacity: 4096, oldest: 0, end: 5 }");
    assert_eq!(format!("{writer:?}"), "Writer { capacity: 4096, end: 5, .. }");
}
