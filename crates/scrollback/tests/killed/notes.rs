//! What the victim writes, and what it notes of it.

use std::sync::atomic::AtomicU64;

use vuart_mapping::Mapping;

use crate::support::Random;

/// A prime, so that offsets a capacity apart hold different bytes.
pub(super) const PERIOD: usize = 8191;

pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

/// The bytes of a writer at consecutive offsets. The next writer writes other bytes there.
pub(super) struct Pattern(pub(super) Vec<u8>);

impl Pattern {
    pub(super) fn new() -> Self {
        let mut random = Random(0);
        let period: Vec<u8> = (0..PERIOD).map(|_| random.next().to_le_bytes()[0]).collect();
        Self(period.repeat(4))
    }

    pub(super) fn at(&self, life: usize, offset: u64, len: usize) -> &[u8] {
        &self.0[index((offset + 13 * life as u64) % PERIOD as u64)..][..len]
    }
}

/// The victim's notes, in offsets: what it is about to do, and what it has done.
pub(super) struct Notes(pub(super) Mapping);

impl Notes {
    pub(super) fn begun(&self) -> &AtomicU64 {
        &self.0.header()[0]
    }

    pub(super) fn finished(&self) -> &AtomicU64 {
        &self.0.header()[1]
    }

    pub(super) fn marking(&self) -> &AtomicU64 {
        &self.0.header()[2]
    }

    pub(super) fn marked(&self) -> &AtomicU64 {
        &self.0.header()[3]
    }
}
