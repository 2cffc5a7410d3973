//! [`RingFile`]: a ring is read from its file, without a mapping.

#![cfg(not(miri))] // which has no such files

mod support;

use std::os::unix::fs::FileExt as _;

use support::filled::{fill, options};
use tempfile::{NamedTempFile, tempfile};
use vuart_scrollback::{FileError, Position, RingFile};

/// What a read of the file returns is what a read of the memory returns.
#[test]
fn f26_a_ring_is_read_from_its_file_as_from_memory() {
    let options = options().with_boot_head(1000).with_start(77);
    let file = tempfile().unwrap();
    let (mut writer, scrollback) = options.create_in(file.try_clone().unwrap()).unwrap();
    let ring = RingFile::new(file).unwrap();
    let mut boots = vec![0, 1, 100];
    for count in [0, 5, 2000, 3000, 1, 5000, 40, 900, 20_000] {
        fill(&mut writer, count);
        if boots.pop().is_some() {
            writer.mark();
        }
        writer.extend(b"\n");
        assert_eq!(ring.end().unwrap(), scrollback.end());
        let mut places = vec![Position::End, Position::Oldest, Position::Boot, Position::Newest(100)];
        places.extend((0..40).map(Position::NewestLines));
        places.extend((0..scrollback.end() + 100).step_by(333).map(Position::Offset));
        for place in places {
            let from = scrollback.offset(place);
            assert_eq!(ring.offset(place).unwrap(), from, "{place:?}");
            for len in [0, 1, 7, 64, 1000, 10_000] {
                let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
                let read = scrollback.read_at(from, &mut ours);
                assert_eq!(ring.read_at(from, &mut theirs).unwrap(), read, "{place:?} {len}");
                assert_eq!(ours[..read.len()], theirs[..read.len()], "{place:?} {len}");
            }
        }
    }
}

/// Nothing of the content leads a read astray, and a file that is made shorter is an error.
#[test]
fn f26_f10_a_ring_file_may_change_in_every_way_while_it_is_read() {
    let path = NamedTempFile::new().unwrap();
    let (mut writer, scrollback) = options().create_in(path.reopen().unwrap()).unwrap();
    fill(&mut writer, 10_000);
    drop((writer, scrollback));
    let sound = std::fs::read(path.path()).unwrap();
    let ring = RingFile::new(path.reopen().unwrap()).unwrap();
    let file = path.as_file();
    let mut buf = vec![0; 8192];
    for at in (0..200).step_by(8) {
        for value in [0, 1, 9_999, 1 << 40, u64::MAX] {
            file.write_all_at(&u64::to_ne_bytes(value), at).unwrap();
            for from in [0, 5_000, 9_990, u64::MAX] {
                if let Ok(read) = ring.read_at(from, &mut buf) {
                    assert!(read.next >= from && read.len() <= buf.len());
                }
                let _ = (ring.offset(Position::NewestLines(3)), ring.offset(Position::Oldest), ring.end());
            }
            file.write_all_at(&sound, 0).unwrap();
        }
    }
    for len in [5_000, 4096, 100, 0] {
        file.set_len(len).unwrap();
        assert!(matches!(ring.read_at(9_000, &mut buf), Err(FileError::Layout(_))), "{len}");
        assert!(matches!(RingFile::new(path.reopen().unwrap()), Err(FileError::Layout(_))), "{len}");
    }
}
