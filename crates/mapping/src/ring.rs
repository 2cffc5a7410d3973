//! The writer's handle to the words of a ring.

use core::fmt;

use crate::Page;
use crate::sync::AtomicU64;
use crate::words::Words;

/// A mapping's words as a ring. An index beyond the last word starts again at the first, so no bound needs a check.
pub struct Ring {
    words: Words,
    /// One less than the number of words, which is a power of two and at most that of the body.
    mask: usize,
}

impl Ring {
    pub(crate) fn new(words: &Words, len: usize) -> Option<Self> {
        (len.is_power_of_two() && len <= words.body().len())
            .then(|| Self { words: words.clone(), mask: len - 1 })
    }

    /// The word at `index`, modulo their number.
    #[inline]
    pub fn word(&self, index: usize) -> &AtomicU64 {
        let start = self.words.body().cast::<AtomicU64>();
        // SAFETY: `mask` is less than the length of the body.
        let word = unsafe { start.add(index & self.mask) };
        // SAFETY: the body is in memory for as long as `self`, aligned as a page is, and its words are only used as atomics.
        unsafe { word.as_ref() }
    }

    /// The first words of the mapping.
    #[inline]
    pub fn header(&self) -> &Page<AtomicU64> {
        // SAFETY: as in `Mapping::header`.
        unsafe { self.words.header().as_ref() }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.fmt("Ring", f)
    }
}
