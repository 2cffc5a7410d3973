//! Threads, told apart for the life of the process.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Below a token's bits there is room for a slot.
pub(crate) const SLOT_BITS: u32 = 8;

/// A thread: a number that no other has, had or will have, above [`SLOT_BITS`] zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

impl Token {
    /// Of a thread that was not asked yet.
    pub(crate) const NONE: Self = Self(0);

    /// This thread's, if it has one.
    #[inline]
    pub(crate) fn current() -> Self {
        Self(CURRENT.get())
    }

    /// This thread's.
    pub(crate) fn assigned() -> Self {
        if Self::current() == Self::NONE {
            CURRENT.set(Self::next().0);
        }
        Self::current()
    }

    /// One that nobody has. (One a nanosecond lasts two years.)
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: they only have to differ.
        Self(NEXT.fetch_add(1, Ordering::Relaxed) << SLOT_BITS)
    }
}

thread_local! {
    // Neither made when first used nor dropped, so that it is one load.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_different_ones_and_keep_them() {
        let here = Token::assigned();
        let there = std::thread::spawn(Token::assigned).join().expect("a thread");
        assert!(here != there && here != Token::NONE && there != Token::NONE);
        assert_eq!(Token::assigned(), here);
    }
}
