//! The beginning of the newest boot, which is kept, and the positions where a reader begins.

#![cfg(not(miri))] // which has no memfd

mod support;

use support::filled::{CAPACITY, check, dup, fill, options};
use vuart_scrollback::{Position, Read, RingOptions, Scrollback};

#[test]
fn the_boot_head_keeps_the_newest_boot() {
    let (mut writer, scrollback) = RingOptions::new(CAPACITY).with_boot_head(1000).create().expect("a ring");
    // The first boot begins with the ring. While nothing has been overwritten, there is no hole.
    fill(&mut writer, 4000);
    assert!(check(&scrollback, 0).is_empty());
    assert_eq!((scrollback.boot(), scrollback.oldest()), (0, 0));
    for end in [5000, 9000, 50_000_u64] {
        let rest = end - writer.end();
        fill(&mut writer, rest);
        let newest = scrollback.offset(Position::Newest(u64::MAX));
        assert_eq!(scrollback.oldest(), 0);
        let kept = newest.min(1000);
        assert_eq!(check(&scrollback, 0), if newest > kept { vec![(kept, newest)] } else { vec![] });
        // This read begins in the hole.
        let mut buf = [0; 8];
        let read = scrollback.read_at(kept, &mut buf);
        assert_eq!(read, Read { start: newest.max(kept), next: newest.max(kept) + 8, missed: newest - kept });
    }
    // A boot begins within a cell. The head forgets the boot before it at once.
    assert_eq!((writer.mark(), scrollback.boot()), (50_000, 50_000));
    fill(&mut writer, 3);
    writer.mark();
    let newest = scrollback.offset(Position::Newest(u64::MAX));
    assert_eq!((scrollback.oldest(), check(&scrollback, 0)), (newest, vec![(0, newest)]));
    fill(&mut writer, 4000);
    assert_eq!(scrollback.oldest(), scrollback.offset(Position::Newest(u64::MAX)));
    // One byte of the boot is gone from the ring: from now on the boot begins in the head.
    fill(&mut writer, 300);
    assert_eq!((scrollback.oldest(), check(&scrollback, 50_003)), (50_003, vec![]));
    fill(&mut writer, 30_000);
    assert_eq!((scrollback.boot(), scrollback.oldest()), (50_003, 50_003));
    let newest = scrollback.offset(Position::Newest(u64::MAX));
    assert_eq!(check(&scrollback, 40_000), [(40_000, 50_003), (51_003, newest)]);
    assert_eq!(scrollback.reader(Position::Boot).cursor(), 50_003);
}

/// A head larger than the ring fills over several laps.
#[test]
fn a_boot_head_can_be_larger_than_the_ring() {
    let (mut writer, scrollback) =
        RingOptions::new(CAPACITY).with_boot_head(10_000).create().expect("a ring");
    for _ in 0..200 {
        fill(&mut writer, 97);
        let holes = check(&scrollback, 0);
        let newest = scrollback.offset(Position::Newest(u64::MAX));
        assert_eq!(holes, if newest > 10_000 { vec![(10_000, newest)] } else { vec![] });
    }
}

#[test]
fn the_boot_head_is_adopted_and_loaded_too() {
    let (mut writer, scrollback) = options().with_boot_head(600).create_memfd("test").expect("a memfd");
    fill(&mut writer, 701);
    writer.mark();
    let mut end = writer.end();
    drop(writer);
    for count in [3900, 1, 250, 30_000, 5] {
        let (mut next, _) = options().adopt(dup(&scrollback)).expect("a ring");
        fill(&mut next, count);
        end += count;
        let loaded = Scrollback::load(scrollback.file().expect("a file")).expect("a ring");
        assert_eq!((loaded.boot(), loaded.end()), (701, end));
        assert_eq!(check(&loaded, 701), check(&scrollback, 701));
        assert_eq!(loaded.oldest(), scrollback.oldest());
    }
    assert_eq!(scrollback.oldest(), 701);
}

#[test]
fn positions() {
    let (mut writer, scrollback) = Scrollback::new(CAPACITY).expect("a ring");
    let at = |position| scrollback.offset(position);
    assert_eq!([at(Position::NewestLines(3)), at(Position::Newest(3)), at(Position::End)], [0; 3]);
    writer.extend(b"one\ntwo\r\n\nfour");
    let lines = |count| at(Position::NewestLines(count));
    assert_eq!([0, 1, 2, 3, 4, 5, u64::MAX].map(lines), [14, 10, 9, 4, 0, 0, 0]);
    writer.push(b'\n');
    assert_eq!([0, 1, 2, 3, 4, 5, u64::MAX].map(lines), [15, 10, 9, 4, 0, 0, 0]);
    assert_eq!([0, 1, 15, 16].map(|count| at(Position::Newest(count))), [15, 14, 0, 0]);
    assert_eq!([at(Position::Oldest), at(Position::Boot), at(Position::Offset(9))], [0, 0, 9]);

    // A text line longer than the ring, and text lines across the end of a buffer.
    writer.extend(&[b'x'; 2 * CAPACITY]);
    assert_eq!(at(Position::NewestLines(1)), at(Position::Oldest));
    writer.extend(b"\n");
    for number in 0..CAPACITY / 5 {
        writer.extend(format!("{number:04}\n").as_bytes());
    }
    let oldest = at(Position::Oldest);
    for count in 1..=CAPACITY as u64 / 5 + 2 {
        assert_eq!(at(Position::NewestLines(count)), (writer.end() - 5 * count).max(oldest), "{count} lines");
    }
}

/// Text lines are not counted across a hole.
#[test]
fn positions_from_the_end_do_not_lead_into_the_boot_head() {
    let (mut writer, scrollback) = RingOptions::new(CAPACITY).with_boot_head(100).create().expect("a ring");
    for _ in 0..1000 {
        writer.extend(b"line 1234\n");
    }
    let newest = scrollback.offset(Position::Newest(u64::MAX));
    assert!(newest > 100 && scrollback.oldest() == 0);
    assert_eq!(scrollback.offset(Position::NewestLines(u64::MAX)), newest);
}
