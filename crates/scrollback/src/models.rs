//! The protocols of the ring and of the doorbell under checkers that know the memory model:
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib`.
//!
//! * `exhaustive` tries every message that each load of a reader may return, for fixed histories of the writer.
//! * `concurrent` runs writers and readers beside each other, `sleeping` producers and sleepers, under `loom`. Miri runs them too, at random.

mod concurrent;
#[cfg(loom)]
mod exhaustive;
mod sleeping;

use vuart_mapping::Mapping;

use crate::{Read, Scrollback, Writer, geometry::Geometry, memory::Memory, offsets::Offsets, sync::Ordering};

/// A ring of a few cells, so that a few bytes lap a reader.
fn ring(capacity: usize, granule: usize) -> (Writer, Scrollback) {
    ring_with_head(capacity, granule, 0)
}

fn ring_with_head(capacity: usize, granule: usize, head: usize) -> (Writer, Scrollback) {
    ring_of(Geometry { capacity, granule, head, origin: 0 }, Offsets::at(0))
}

fn ring_of(geometry: Geometry, offsets: Offsets) -> (Writer, Scrollback) {
    let mapping = Mapping::anonymous(geometry.body()).expect("memory for a few cells");
    // A model's words must be used once before it starts threads.
    for cell in mapping.body() {
        cell.store(0, Ordering::Relaxed);
    }
    let memory = Memory::new(mapping, &geometry).expect("room for the cells");
    memory.publish(offsets);
    let scrollback = Scrollback::of(memory.view(), geometry, offsets.tail);
    (Writer::new(memory, scrollback.clone(), offsets), scrollback)
}

/// The byte that belongs at an offset. No two of a model's few bytes are the same, and none is 0, as in a cell that was never written.
fn byte_at(offset: u64) -> u8 {
    u8::try_from(offset + 1).expect("a model writes few bytes")
}

fn fill(writer: &mut Writer, count: usize) {
    let end = writer.end();
    let bytes: Vec<u8> = (end..end + count as u64).map(byte_at).collect();
    if let [byte] = bytes[..] { writer.push(byte) } else { writer.extend(&bytes) }
}

/// The promise of every read, at any time.
fn check(read: Read, from: u64, buf: &[u8]) {
    assert!(from <= read.start && read.start <= read.next, "{read:?} from {from}");
    assert_eq!(read.missed, read.start - from, "{read:?} from {from}");
    for (offset, byte) in (read.start..read.next).zip(buf) {
        assert_eq!(*byte, byte_at(offset), "offset {offset}, {read:?} from {from}, {buf:?}");
    }
}
