//! Files that are no rings, or damaged ones, and copies that are taken while the guest writes.

#![cfg(not(miri))] // which has no such files

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use support::filled::{check, dup, fill, options};
use tempfile::tempfile;
use vuart_scrollback::{FileError, LayoutError, Position, Scrollback};

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
