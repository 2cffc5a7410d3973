//! Rings whose content is known: each byte follows from its offset.

use vuart_scrollback::{Scrollback, Writer};
#[cfg(feature = "std")]
use {std::fs::File, vuart_scrollback::RingOptions};

pub(crate) const CAPACITY: usize = Scrollback::MIN_CAPACITY;

/// The byte that belongs at an offset: neighbours, and offsets a capacity apart, differ.
pub(crate) fn byte_at(offset: u64) -> u8 {
    offset.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
}

/// Writes so many bytes.
pub(crate) fn fill(writer: &mut Writer, count: u64) {
    let bytes: Vec<u8> = (writer.end()..writer.end() + count).map(byte_at).collect();
    writer.extend(&bytes);
}

/// Reads all bytes that can be read. Returns the reported holes.
#[track_caller]
pub(crate) fn check(scrollback: &Scrollback, from: u64) -> Vec<(u64, u64)> {
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
#[cfg(feature = "std")]
pub(crate) fn options() -> RingOptions {
    RingOptions::new(CAPACITY).with_disk(true)
}

#[cfg(feature = "std")]
pub(crate) fn dup(scrollback: &Scrollback) -> File {
    scrollback.file().expect("a ring in a file").try_clone().expect("a descriptor")
}
