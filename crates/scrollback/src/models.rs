//! The protocol of the ring and of the doorbell under checkers that know the memory model.
//!
//! * `exhaustive` tries every message that each load of a reader may return, for fixed histories of the writer. It needs
//!   nothing but `cargo test`.
//! * `concurrent` runs writers and readers beside each other, `sleeping` producers and sleepers: under `loom`, in all ways
//!   that there are (`RUSTFLAGS="--cfg loom" cargo test --release --lib`), and under Miri, in some
//!   (`cargo +nightly miri test --lib`).

#[cfg(any(loom, miri))]
mod concurrent;
#[cfg(not(any(loom, miri)))]
mod exhaustive;
#[cfg(any(loom, miri))]
mod explore;
pub(crate) mod memory;
#[cfg(not(any(loom, miri)))]
pub(crate) mod messages;
#[cfg(any(loom, miri))]
mod sleeping;

use crate::{Read, Scrollback, Writer, geometry::Geometry, offsets::Offsets, sync::Memory};

/// A ring of a few cells, so that a few bytes lap a reader.
fn ring(capacity: usize, granule: usize) -> (Writer, Scrollback) {
    ring_with_head(capacity, granule, 0)
}

fn ring_with_head(capacity: usize, granule: usize, head: usize) -> (Writer, Scrollback) {
    let geometry = Geometry { capacity, granule, head, origin: 0 };
    let offsets = Offsets::at(0);
    let memory = Memory::for_ring(&geometry, offsets);
    let scrollback = Scrollback::of(memory.view(), geometry, None, 0);
    (Writer::new(memory, scrollback.clone(), offsets), scrollback)
}

/// The byte that belongs at an offset. In a model's few bytes none occurs twice, and none is that of an untouched cell.
fn byte_at(offset: u64) -> u8 {
    u8::try_from(offset + 1).expect("a model writes few bytes")
}

fn fill(writer: &mut Writer, count: usize) {
    let end = writer.end();
    let bytes: Vec<u8> = (end..end + count as u64).map(byte_at).collect();
    if let [byte] = bytes[..] { writer.push(byte) } else { writer.extend(&bytes) }
}

/// What is promised of every read, at any time.
fn check(read: Read, from: u64, buf: &[u8]) {
    assert!(from <= read.start && read.start <= read.next, "{read:?} from {from}");
    assert_eq!(read.missed, read.start - from, "{read:?} from {from}");
    for (offset, byte) in (read.start..read.next).zip(buf) {
        assert_eq!(*byte, byte_at(offset), "offset {offset}, {read:?} from {from}, {buf:?}");
    }
}
