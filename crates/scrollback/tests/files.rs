//! Rings in memfds and files: read by other processes, and adopted by the next writer. Also the options of any ring.

#![cfg(not(miri))] // which has neither

mod support;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, memfd_create};
use support::filled::{CAPACITY, byte_at, check, dup, fill, options};
use tempfile::{NamedTempFile, tempfile};
use vuart_scrollback::{FileError, LayoutError, OptionsError, Position, RingOptions, Scrollback};

/// The bytes of the header.
const PAGE: u64 = 4096;

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
fn a_ring_that_began_as_late_as_can_be_is_adopted() {
    let late = options().with_start(Scrollback::MAX_START).with_boot_head(100);
    let (mut writer, scrollback) = late.create_memfd("test").expect("a memfd");
    fill(&mut writer, 10_000);
    drop(writer);
    let (mut writer, adopted) = options().adopt(dup(&scrollback)).expect("a ring");
    fill(&mut writer, 10_000);
    assert_eq!(check(&adopted, Scrollback::MAX_START).len(), 1);
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

/// A memfd that was made without seals, by another program or from a received ring.
fn unsealed(allow: bool) -> File {
    let flags = if allow { MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING } else { MemfdFlags::CLOEXEC };
    File::from(memfd_create("received", flags).unwrap())
}

#[test]
fn f10_a_memfd_can_not_be_made_shorter_whoever_made_it() {
    let (mut writer, scrollback) = RingOptions::new(CAPACITY).create_memfd("ours").unwrap();
    fill(&mut writer, 100);
    let content = {
        let mut bytes = vec![0; usize::try_from(dup(&scrollback).metadata().unwrap().len()).unwrap()];
        dup(&scrollback).read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    drop(writer);
    let adopted = || {
        let file = unsealed(true);
        file.write_all_at(&content, 0).unwrap();
        RingOptions::default().adopt(file).unwrap()
    };
    let made = || RingOptions::new(CAPACITY).create_in(unsealed(true)).unwrap();
    for (mut writer, scrollback) in [adopted(), made()] {
        assert!(!scrollback.can_shrink());
        let other = dup(&scrollback);
        for len in [0, 4096] {
            assert_eq!(other.set_len(len).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        fill(&mut writer, 10_000);
        check(&scrollback, 0);
    }
    // Without the right to seal it, and in a file: it is said.
    let file = unsealed(false);
    file.write_all_at(&content, 0).unwrap();
    assert!(RingOptions::default().adopt(file).unwrap().1.can_shrink());
    assert!(options().create_in(tempfile().unwrap()).unwrap().1.can_shrink());
    assert!(!Scrollback::new(CAPACITY).unwrap().1.can_shrink());
}
