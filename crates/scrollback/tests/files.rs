//! Rings in memfds and files: read by other processes, adopted by the next writer, and damaged. Also the options of any ring.

#![cfg(not(miri))] // which has neither
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use tempfile::{NamedTempFile, tempfile};
use vuart_scrollback::{
    FileError, LayoutError, OptionsError, Position, Read, RingOptions, Scrollback, Writer,
};

const CAPACITY: usize = Scrollback::MIN_CAPACITY;
/// Words of the header.
const PAGE: u64 = 4096;

fn byte_at(offset: u64) -> u8 {
    offset.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
}

fn fill(writer: &mut Writer, count: u64) {
    let bytes: Vec<u8> = (writer.end()..writer.end() + count).map(byte_at).collect();
    writer.extend(&bytes);
}

/// Reads all bytes that can be read. Returns the reported holes.
#[track_caller]
fn check(scrollback: &Scrollback, from: u64) -> Vec<(u64, u64)> {
    let mut reader = scrollback.reader_at(from);
    let mut buf = vec![0; 3000];
    let mut holes = Vec::new();
    loop {
        let at = reader.cursor();
        let read = reader.read(&mut buf);
        assert_eq!(read.missed, read.start - at);
        if read.missed > 0 {
            holes.push((at, read.start));
        }
        for (offset, byte) in (read.start..read.next).zip(&buf) {
            assert_eq!(*byte, byte_at(offset), "offset {offset}");
        }
        if read.is_empty() && read.missed == 0 {
            assert_eq!(at, scrollback.end());
            return holes;
        }
    }
}

/// Options for a file that may be on a disk, as the tests' files may be.
fn options() -> RingOptions {
    RingOptions::new(CAPACITY).with_disk(true)
}

fn dup(scrollback: &Scrollback) -> File {
    scrollback.file().expect("a ring in a file").try_clone().expect("a descriptor")
}

#[test]
fn a_memfd_can_be_mapped_loaded_and_adopted() {
    let (mut writer, scrollback) = RingOptions::new(CAPACITY).create_memfd("test").expect("a memfd");
    let file = dup(&scrollback);
    let mapped = Scrollback::map(&file).expect("a ring");
    let nothing = Scrollback::load(&file).expect("a ring");
    for count in [0, 5, 8, 4083, 1, 4096, 12345] {
        fill(&mut writer, count);
        let loaded = Scrollback::load(&file).expect("a ring");
        for ring in [&scrollback, &mapped, &loaded] {
            assert_eq!((ring.oldest(), ring.end()), (scrollback.oldest(), writer.end()));
            check(ring, 0);
        }
    }
    assert_eq!(nothing.end(), 0, "a copy never changes");
    assert!(mapped.file().is_none());

    assert!(matches!(options().adopt(dup(&scrollback)), Err(FileError::InUse)));
    let end = writer.end();
    drop(writer);
    let (mut writer, adopted) = RingOptions::default().adopt(file).expect("a ring that nobody writes");
    assert_eq!((writer.end(), adopted.end(), adopted.capacity()), (end, end, CAPACITY));
    fill(&mut writer, 77);
    for ring in [&scrollback, &mapped, &adopted] {
        assert_eq!(ring.end(), end + 77);
        check(ring, 0);
    }
}

#[test]
fn f19_a_ring_that_can_not_be_written_says_what_a_writer_needs() {
    let named = NamedTempFile::new().expect("a file");
    drop(options().create_in(named.reopen().expect("a file")).expect("a ring"));
    let (writer, scrollback) = options().create_memfd("f19").expect("a ring");
    let sealed = dup(&scrollback);
    scrollback.seal().expect("a seal");
    drop(writer);
    for file in [File::open(named.path()).expect("a file"), sealed] {
        let error = options().adopt(file).map(drop).expect_err("a ring that is read only").to_string();
        assert!(error.ends_with("open for reading and writing, and not sealed against writing"), "{error}");
    }
}

#[test]
fn a_file_is_created_once_and_adopted_afterwards() {
    let named = NamedTempFile::new().expect("a file");
    let (mut writer, scrollback) = options()
        .with_start(4099)
        .with_boot_head(100)
        .create_in(named.reopen().expect("a file"))
        .expect("a ring");
    fill(&mut writer, 3);
    assert!(matches!(options().create_in(named.reopen().expect("a file")), Err(FileError::InUse)));
    assert!(matches!(options().adopt(named.reopen().expect("a file")), Err(FileError::InUse)));
    drop(writer);
    // A handle that only reads does not keep a writer from adopting the ring.
    let error = options().create_in(named.reopen().expect("a file")).expect_err("what it holds is not lost");
    assert!(matches!(error, FileError::NotEmpty), "{error}");

    let file = named.reopen().expect("a file");
    let (mut writer, adopted) = options().with_start(7).with_boot_head(0).adopt(file).expect("a ring");
    assert_eq!((adopted.oldest(), adopted.end(), adopted.boot_head()), (4099, 4102, 104));
    fill(&mut writer, 10_000);
    assert_eq!(check(&scrollback, 4099), [(4203, scrollback.offset(Position::Newest(u64::MAX)))]);
}

/// The last writer stops in each lane of a cell.
#[test]
fn a_cell_is_completed_by_the_next_writer() {
    let (writer, scrollback) = options().create_memfd("test").expect("a memfd");
    let mut writer = Some(writer);
    for round in 0..40_u64 {
        drop(writer.take());
        let (mut next, _) = options().adopt(dup(&scrollback)).expect("a ring");
        if round % 2 == 0 {
            next.push(byte_at(next.end()));
        } else {
            fill(&mut next, round % 11);
        }
        check(&scrollback, 0);
        writer = Some(next);
    }
}

/// The next writer overwrites bytes that a killed writer had announced and stored, but not published.
#[test]
fn a_push_that_was_cut_short_is_overwritten() {
    let (mut writer, scrollback) = options().create_memfd("test").expect("a memfd");
    fill(&mut writer, 4099);
    drop(writer);
    let file = dup(&scrollback);
    // As if W1 of 256 bytes and half of W3 had happened: the granule is 256 bytes.
    file.write_all_at(&4608_u64.to_ne_bytes(), 136).expect("the intent");
    file.write_all_at(&[0xEE; 100], PAGE + 3).expect("cells");
    let (mut writer, adopted) = options().adopt(dup(&scrollback)).expect("a ring");
    assert_eq!((writer.end(), adopted.oldest()), (4099, 512));
    check(&adopted, 0);
    fill(&mut writer, 300);
    assert_eq!(check(&adopted, 0), [(0, 512)]);
}

#[test]
fn the_layout_is_the_documented_one() {
    let (mut writer, scrollback) =
        options().with_start(11).with_boot_head(20).create_memfd("test").expect("a memfd");
    writer.extend(&[b'.'; 9]);
    writer.mark();
    writer.extend(b"Linux version 6.1, and more than a head");
    let file = dup(&scrollback);
    let word = |at: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).expect("a word");
        u64::from_ne_bytes(bytes)
    };
    let fixed = [0x676E_7274_7261_7576, 1, 4096, 24, 11];
    assert_eq!([0, 8, 16, 24, 32].map(word), fixed);
    assert_eq!([128, 136, 144, 152].map(word), [59, 256, 20, 11]);
    assert_eq!(file.metadata().expect("a file").len(), 4096 + 4096 + 24 + 8);
    writer.extend(&[b'.'; 8192]);
    assert_eq!([128, 136, 144, 152].map(word), [8251, 8448, 20, 44]);
    if cfg!(target_endian = "little") {
        let mut bytes = [0; 24];
        file.read_exact_at(&mut bytes, 8192 + 4).expect("the boot head");
        assert_eq!(&bytes, b"Linux version 6.1, and m");
        file.read_exact_at(&mut bytes[..8], 0).expect("the magic number");
        assert_eq!(&bytes[..8], b"vuartrng");
    }
}

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

#[test]
fn options_are_checked() {
    let head = Scrollback::MAX_CAPACITY + 1;
    let error = RingOptions::new(CAPACITY).with_boot_head(head).create().expect_err("too large");
    assert_eq!(error, OptionsError::BootHead { head });
    assert!(matches!(options().with_boot_head(usize::MAX).create_memfd("test"), Err(FileError::Options(_))));
    assert!(matches!(RingOptions::new(1).create_in(tempfile().expect("a file")), Err(FileError::Options(_))));
    // A file that is refused stays as it was.
    let file = NamedTempFile::new().expect("a file");
    let unwritable = File::open(file.path()).expect("a file for reading");
    assert!(matches!(options().create_in(unwritable), Err(FileError::Io { .. })));
    assert_eq!(file.as_file().metadata().expect("a file").len(), 0);
}

#[test]
fn damage_is_found() {
    let damage = |at: u64, value: u64| {
        let (mut writer, scrollback) = options().with_boot_head(16).create_memfd("test").expect("a memfd");
        fill(&mut writer, 10_000);
        let file = dup(&scrollback);
        drop(writer);
        file.write_all_at(&value.to_ne_bytes(), at).expect("damage");
        let error = |result: Result<(), FileError>| match result {
            Ok(()) => None,
            Err(FileError::Layout(error)) => Some(error),
            Err(error) => panic!("{error}"),
        };
        let loaded = error(Scrollback::load(&file).map(drop));
        let mapped = error(Scrollback::map(&file).map(drop));
        (loaded, mapped, error(options().adopt(file).map(drop)))
    };
    let all = |error: LayoutError| (Some(error), Some(error), Some(error));
    assert_eq!(damage(4095, 0), (None, None, None), "nothing to see here");
    assert_eq!(damage(0, 0), all(LayoutError::NotARing));
    assert_eq!(damage(0, 0x7675_6172_7472_6E67), all(LayoutError::ByteOrder));
    assert_eq!(damage(8, 2), all(LayoutError::Version { version: 2 }));
    for capacity in [0, 4095, 1 << 31, u64::MAX] {
        assert!(matches!(
            damage(16, capacity),
            (Some(LayoutError::Sizes(_)), _, Some(LayoutError::Sizes(_)))
        ));
    }
    let length = LayoutError::Length { expected: 4096 + 8192 + 24, found: 4096 + 4096 + 24 };
    assert_eq!(damage(16, 8192), all(length));
    assert_eq!(damage(24, 17), all(LayoutError::BootHead { head: 17 }));
    assert!(matches!(damage(24, u64::MAX), (Some(LayoutError::Sizes(_)), Some(_), Some(_))));
    assert!(matches!(damage(32, (1 << 63) + 1), (Some(LayoutError::Sizes(_)), Some(_), Some(_))));
    let offsets = Some(LayoutError::Offsets);
    // Some of these can be read: a live writer may have left one of the words behind for a moment.
    assert_eq!(damage(32, 10_001), (offsets, None, offsets), "an origin after the end");
    assert_eq!(damage(128, 10_241), (offsets, None, offsets), "a tail after the intent");
    assert_eq!(damage(128, 9000), (None, None, offsets), "a tail long before the intent");
    assert_eq!(damage(136, 10_001), (None, None, offsets), "an intent that is no granule's");
    assert_eq!(damage(136, u64::MAX), (None, None, offsets), "an intent long after the tail");
    assert_eq!(damage(144, 10_001), (None, None, offsets), "a boot after the end");
    assert_eq!(damage(152, 17), (None, None, offsets), "more kept than the head has");
    assert_eq!(damage(152, 15), (None, None, offsets), "less kept than was overwritten");
    assert_eq!(damage(152, u64::MAX), (None, None, offsets), "more kept than was written");
}

#[test]
fn a_file_that_is_no_ring_is_refused() {
    let file = tempfile().expect("a file");
    for text in [&b""[..], b"vuartrng", &[b'x'; 10_000]] {
        file.set_len(0).expect("empty");
        file.write_all_at(text, 0).expect("text");
        for result in [Scrollback::load(&file).map(drop), Scrollback::map(&file).map(drop)] {
            assert!(matches!(result, Err(FileError::Layout(LayoutError::NotARing))), "{result:?}");
        }
        let result = options().adopt(file.try_clone().expect("a descriptor"));
        assert!(matches!(result, Err(FileError::Layout(LayoutError::NotARing))), "{result:?}");
    }
    let error = Scrollback::load(&File::open("/").expect("a directory")).expect_err("no file");
    assert_eq!(error.to_string(), "can't read the ring's file: Is a directory (os error 21)");
}

/// A copy that was cut off, as by a full disk.
#[test]
fn a_file_that_was_cut_off_is_refused() {
    let (mut writer, scrollback) = options().create_memfd("test").expect("a memfd");
    fill(&mut writer, 5000);
    let mut whole = vec![0; 8192];
    scrollback.file().expect("a file").read_exact_at(&mut whole, 0).expect("its bytes");
    let copy = tempfile().expect("a file");
    copy.write_all_at(&whole, 0).expect("a copy");
    check(&Scrollback::load(&copy).expect("a ring"), 0);
    for len in [8191, 4096, 40, 0] {
        copy.set_len(len).expect("a length");
        assert!(matches!(Scrollback::load(&copy), Err(FileError::Layout(_))));
        assert!(matches!(Scrollback::map(&copy), Err(FileError::Layout(_))));
        assert!(matches!(
            options().adopt(copy.try_clone().expect("a descriptor")),
            Err(FileError::Layout(_))
        ));
    }
}

#[test]
fn a_memfd_is_sealed() {
    let (mut writer, scrollback) = options().create_memfd("test").expect("a memfd");
    let file = dup(&scrollback);
    for len in [0, 1 << 20] {
        assert_eq!(file.set_len(len).expect_err("sealed").kind(), io::ErrorKind::PermissionDenied);
    }
    match scrollback.seal() {
        Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidInput => {
            return println!("older than Linux 5.1: {source}");
        }
        result => result.expect("a seal"),
    }
    // Only the writer can write now.
    assert!(file.write_all_at(b"nonsense", PAGE).is_err());
    fill(&mut writer, 5000);
    check(&Scrollback::map(&file).expect("a ring"), 0);
    drop(writer);
    assert!(matches!(options().adopt(file), Err(FileError::Io { doing: "map", .. })));

    let (_writer, scrollback) = Scrollback::new(CAPACITY).expect("a ring");
    assert!(matches!(scrollback.seal(), Err(FileError::Io { doing: "seal", .. })));
}

/// Tries the directory of the tests' files, and a directory in memory, if there is one.
#[test]
fn a_file_on_a_disk_is_refused() {
    let in_memory = |file: &File| {
        !matches!(RingOptions::new(CAPACITY).create_in(file.try_clone().expect("it")), Err(FileError::OnDisk))
    };
    let error = FileError::OnDisk.to_string();
    assert!(error.contains("/dev/shm"), "{error}");
    if let Ok(file) = tempfile::tempfile_in("/dev/shm") {
        assert!(in_memory(&file), "/dev/shm is a tmpfs");
        let (writer, _) = RingOptions::new(CAPACITY).adopt(file).expect("the ring that was just made");
        assert_eq!(writer.end(), 0);
    }
    // Any other file system would do as well. This one is everywhere.
    assert!(!in_memory(&File::open("/proc/version").expect("/proc")), "/proc is no tmpfs");
}

fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("/proc");
    // The name, in parentheses, may have spaces in it; minflt is the eighth field after it.
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    fields.split(' ').nth(7).expect("fields").parse().expect("a number")
}

/// The page faults of writing a whole ring.
fn faults_of_a_lap(mut writer: Writer, ahead: &Scrollback, step: u64) -> u64 {
    let bytes: Vec<u8> = (0..step).map(byte_at).collect();
    writer.extend(&bytes[..1]); // The code, and the writer itself.
    faults();
    let mut total = 0;
    while writer.end() < ahead.capacity() as u64 {
        if step < ahead.capacity() as u64 {
            ahead.touch_ahead(2 * bytes.len()).expect("a system that can");
        }
        let before = faults();
        writer.extend(&bytes);
        total += faults() - before;
    }
    total
}

#[test]
fn a_writer_takes_no_page_fault_where_the_ring_was_touched() {
    const LARGE: usize = 4 << 20;
    // Reading the counter may fault, too.
    const NOISE: u64 = 8;
    let pages = LARGE as u64 / 4096;
    let (writer, scrollback) = Scrollback::new(LARGE).expect("a ring");
    match scrollback.touch_ahead(1) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return println!("older than Linux 5.14: {error}");
        }
        more => assert!(more.expect("a system that can")),
    }
    let untouched = faults_of_a_lap(writer, &scrollback, LARGE as u64);
    assert!(untouched > pages / 2, "{untouched} faults: the control is of no use");

    let (writer, scrollback) =
        RingOptions::new(LARGE).with_start(12_345).create_memfd("test").expect("a memfd");
    let touched = faults_of_a_lap(writer, &scrollback, 64 << 10);
    assert!(touched <= NOISE, "{touched} faults");
    assert!(!scrollback.touch_ahead(1 << 20).expect("a system that can"), "all of it is there");

    for (writer, scrollback) in [
        RingOptions::new(LARGE).with_prefault(true).create().expect("a ring"),
        RingOptions::new(LARGE).with_prefault(true).create_memfd("test").expect("a memfd"),
    ] {
        let prefaulted = faults_of_a_lap(writer, &scrollback, LARGE as u64);
        assert!(prefaulted <= NOISE, "{prefaulted} faults");
    }
}

/// The part that is in memory of the process's mappings of at least `least` bytes, in kilobytes.
fn resident(least: u64) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("/proc");
    let mut size = 0;
    let mut resident = 0;
    for line in maps.lines() {
        let kilobytes = |rest: &str| rest.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        if let Some(rest) = line.strip_prefix("Size:") {
            size = kilobytes(rest);
        } else if let Some(rest) = line.strip_prefix("Rss:")
            && size * 1024 >= least
        {
            resident += kilobytes(rest);
        }
    }
    resident
}

/// The kernel may have put other tests' rings beside this one, into the same mapping.
#[test]
fn an_idle_ring_takes_almost_no_memory() {
    // Not the largest capacity, which a small machine refuses.
    const LARGE: usize = 256 << 20;
    let rings = [
        RingOptions::new(LARGE).with_boot_head(LARGE).create().expect("a ring"),
        RingOptions::new(LARGE).with_boot_head(LARGE).create_memfd("test").expect("a memfd"),
    ];
    for (mut writer, _scrollback) in rings {
        writer.extend(b"login: ");
        let resident = resident(LARGE as u64);
        assert!(resident < 32 << 10, "{resident} kB");
    }
}

#[test]
fn a_file_of_a_process_that_was_killed_while_it_made_a_ring_is_used_again() {
    let named = NamedTempFile::new().expect("a file");
    let (writer, scrollback) = options().create_in(named.reopen().expect("a file")).expect("a ring");
    let len = scrollback.file().expect("a file").metadata().expect("a file").len();
    drop((writer, scrollback));
    let file = named.reopen().expect("a file");
    // The memory is reserved, and no byte is written.
    file.set_len(0).expect("empty");
    file.set_len(len).expect("zeros");
    assert!(matches!(options().adopt(named.reopen().expect("a file")), Err(FileError::Layout(_))));
    let (mut writer, _) = options().create_in(named.reopen().expect("a file")).expect("a ring");
    fill(&mut writer, 3);
    drop(writer);

    // Any other file stays as it is.
    for (at, byte) in [(0, b'x'), (len - 1, b'x')] {
        file.set_len(0).expect("empty");
        file.set_len(len).expect("zeros");
        file.write_all_at(&[byte], at).expect("a byte");
        assert!(matches!(options().create_in(named.reopen().expect("a file")), Err(FileError::NotEmpty)));
    }
    file.set_len(0).expect("empty");
    file.set_len(len - 1).expect("zeros");
    assert!(matches!(options().create_in(named.reopen().expect("a file")), Err(FileError::NotEmpty)));
}

#[test]
fn a_ring_that_can_not_be_made_leaves_an_empty_file() {
    let named = NamedTempFile::new().expect("a file");
    let write_only = File::options().write(true).open(named.path()).expect("a file for writing");
    // The memory can be reserved and cannot be mapped.
    let error = options().create_in(write_only).expect_err("no reading");
    assert!(matches!(error, FileError::Io { doing: "map" | "read", .. }), "{error}");
    assert_eq!(named.as_file().metadata().expect("a file").len(), 0);
    options().create_in(named.reopen().expect("a file")).expect("a ring");
}

#[test]
fn holes_are_filled_before_a_ring_is_adopted() {
    use std::os::unix::fs::MetadataExt as _;

    let (mut writer, scrollback) = options().create_memfd("test").expect("a memfd");
    fill(&mut writer, 10);
    let mut header = [0; 4096];
    let memfd = scrollback.file().expect("a file");
    memfd.read_exact_at(&mut header, 0).expect("the header");
    let copy = tempfile().expect("a file");
    copy.set_len(memfd.metadata().expect("a file").len()).expect("a hole");
    copy.write_all_at(&header, 0).expect("the header");
    let (_writer, adopted) = options().adopt(copy).expect("a ring");
    let found = adopted.file().expect("a file").metadata().expect("a file");
    assert!(found.blocks() * 512 >= found.len(), "{} blocks of {} bytes", found.blocks(), found.len());
}

#[test]
fn a_ring_that_began_as_late_as_can_be_is_adopted() {
    let late = options().with_start(Scrollback::MAX_START).with_boot_head(100);
    let (mut writer, scrollback) = late.create_memfd("test").expect("a memfd");
    fill(&mut writer, 10_000);
    drop(writer);
    let (mut writer, adopted) = options().adopt(dup(&scrollback)).expect("a ring");
    fill(&mut writer, 10_000);
    assert_eq!(check(&adopted, Scrollback::MAX_START).len(), 1);
}

/// Boots begin all the time, and each copy is of a possible moment.
#[test]
fn a_copy_of_a_live_ring_does_not_contradict_itself() {
    let (mut writer, scrollback) = options().with_boot_head(600).create_memfd("test").expect("a memfd");
    let file = dup(&scrollback);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                fill(&mut writer, 700);
                writer.mark();
            }
        });
        for _ in 0..2000 {
            let loaded = Scrollback::load(&file).expect("a ring");
            assert!(loaded.boot() <= loaded.end() && loaded.oldest() <= loaded.end(), "{loaded:?}");
            check(&loaded, 0);
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// A head with more bytes than the ring ever had is left out.
#[test]
fn a_copy_has_no_bytes_that_were_not_there() {
    let (mut writer, scrollback) = options().with_boot_head(600).create_memfd("test").expect("a memfd");
    fill(&mut writer, 10_000);
    let file = dup(&scrollback);
    file.write_all_at(&u64::MAX.to_ne_bytes(), 152).expect("damage");
    let loaded = Scrollback::load(&file).expect("a ring");
    assert_eq!(loaded.oldest(), loaded.offset(Position::Newest(u64::MAX)));
    check(&loaded, 0);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    for path in ["/dev/null", "/proc/self/ns", "/"] {
        let file = File::open(path).expect("something");
        assert!(matches!(
            options().adopt(file),
            Err(FileError::Layout(LayoutError::NotARing) | FileError::Io { .. })
        ));
    }
}

#[test]
fn the_boot_head_is_touched_before_it_is_filled() {
    const LARGE: usize = 1 << 20;
    let (mut writer, scrollback) =
        RingOptions::new(LARGE).with_boot_head(LARGE).create_memfd("test").expect("a memfd");
    if let Err(error) = scrollback.touch_ahead(4096) {
        return println!("older than Linux 5.14: {error}");
    }
    fill(&mut writer, LARGE as u64 + 4096);
    writer.mark();
    drop(writer);
    let (writer, scrollback) = RingOptions::default().adopt(dup(&scrollback)).expect("a ring");
    let begin = writer.end();
    let mut writer = writer;
    let mut total = 0;
    let bytes = vec![b'.'; 4096];
    while writer.end() < begin + 3 * LARGE as u64 {
        scrollback.touch_ahead(64 << 10).expect("a system that can");
        let before = faults();
        writer.extend(&bytes);
        total += faults() - before;
    }
    assert!(total <= 16, "{total} faults");
    assert!(!scrollback.touch_ahead(64 << 10).expect("a system that can"));
}

/// A process that maps a ring read-only cannot touch memory for the writer. It gets the error once.
#[test]
fn a_ring_that_is_mapped_to_read_is_not_touched() {
    let (_writer, scrollback) = options().create_memfd("test").expect("a memfd");
    let mapped = Scrollback::map(&dup(&scrollback)).expect("a ring");
    let error = mapped.touch_ahead(4096).expect_err("a read-only mapping");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(!mapped.touch_ahead(4096).expect("nothing to do"));
}
