//! The words that a writer leaves behind.

#[cfg(feature = "std")]
use crate::{geometry::Geometry, limits::MAX_START};

/// The words that the writer publishes, while no writer changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) tail: u64,
    pub(crate) intent: u64,
    pub(crate) boot: u64,
    pub(crate) kept: u64,
}

impl Offsets {
    /// The words of an empty ring.
    pub(crate) fn at(origin: u64) -> Self {
        Self { tail: origin, intent: origin, boot: origin, kept: origin }
    }

    /// Whether a writer can have left these words behind, at any moment of its life.
    #[cfg(feature = "std")]
    pub(crate) fn are_possible(&self, geometry: &Geometry) -> bool {
        let Self { tail, intent, boot, kept } = *self;
        let Geometry { granule, head, origin, .. } = *geometry;
        let granule = granule as u64;
        let announced = intent == origin || intent.is_multiple_of(granule);
        let in_order = origin <= tail && tail <= intent && origin <= boot && boot <= tail && kept <= tail;
        // No overflow: `in_order` is checked first, and the offsets are far from the largest number.
        tail <= MAX_START + MAX_START / 2
            && announced
            && in_order
            && intent - tail < 2 * granule
            && (kept <= boot || kept - boot <= head as u64)
            && kept.max(boot) >= geometry.oldest(intent).min(boot + head as u64)
    }
}
