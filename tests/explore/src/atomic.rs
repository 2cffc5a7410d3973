//! The words of a model: `std`'s, `loom`'s, or those of [`messages`], by the explorer that runs on this thread.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{self, Ordering};

use crate::messages;

/// What explores the words on this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explorer {
    /// Nothing does: the words are `std`'s.
    None,
    Loom,
    Messages,
}

thread_local! {
    static EXPLORER: Cell<Explorer> = const { Cell::new(Explorer::None) };
}

/// An explorer has this thread until this is dropped.
pub(crate) struct With(());

impl With {
    pub(crate) fn new(explorer: Explorer) -> Self {
        assert_eq!(EXPLORER.replace(explorer), Explorer::None, "one explorer at a time");
        Self(())
    }
}

impl Drop for With {
    fn drop(&mut self) {
        EXPLORER.set(Explorer::None);
    }
}

/// Stands in for [`std::sync::atomic::AtomicU64`].
///
/// A word belongs to one execution: it is made, used and dropped within it.
#[derive(Debug)]
pub struct AtomicU64 {
    plain: atomic::AtomicU64,
    modelled: OnceLock<Modelled>,
}

#[derive(Debug)]
enum Modelled {
    Loom(loom::sync::atomic::AtomicU64),
    Messages(messages::Location),
}

/// The word that an operation is about.
enum Word<'a> {
    Plain(&'a atomic::AtomicU64),
    Loom(&'a loom::sync::atomic::AtomicU64),
    Messages(messages::Location),
}

impl AtomicU64 {
    /// A word that takes part in the model from now on.
    pub fn new(value: u64) -> Self {
        let word = Self::unused(value);
        let _ = word.word();
        word
    }

    /// A word that takes part in the model from its first access on, if there is one: a header has 512 words, most of them unused, and
    /// `loom` keeps a history of each word. Make the first access before the model starts threads. Otherwise `loom` takes the value for
    /// a store of the thread that makes it.
    pub fn unused(value: u64) -> Self {
        Self { plain: atomic::AtomicU64::new(value), modelled: OnceLock::new() }
    }

    fn word(&self) -> Word<'_> {
        let value = || self.plain.load(Ordering::Relaxed);
        let modelled = match EXPLORER.get() {
            Explorer::None => return Word::Plain(&self.plain),
            Explorer::Loom => {
                self.modelled.get_or_init(|| Modelled::Loom(loom::sync::atomic::AtomicU64::new(value())))
            }
            Explorer::Messages => {
                self.modelled.get_or_init(|| Modelled::Messages(messages::Location::new(value())))
            }
        };
        match modelled {
            Modelled::Loom(word) => Word::Loom(word),
            Modelled::Messages(location) => Word::Messages(*location),
        }
    }

    /// As `std`'s.
    pub fn load(&self, ordering: Ordering) -> u64 {
        match self.word() {
            Word::Plain(word) => word.load(ordering),
            Word::Loom(word) => word.load(ordering),
            Word::Messages(location) => location.load(ordering),
        }
    }

    /// As `std`'s.
    pub fn store(&self, value: u64, ordering: Ordering) {
        match self.word() {
            Word::Plain(word) => word.store(value, ordering),
            Word::Loom(word) => word.store(value, ordering),
            Word::Messages(location) => location.store(value, ordering),
        }
    }

    /// As `std`'s.
    pub fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        match self.word() {
            Word::Plain(word) => word.swap(value, ordering),
            Word::Loom(word) => word.swap(value, ordering),
            Word::Messages(_) => no_read_modify_write(),
        }
    }

    /// As `std`'s.
    pub fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        match self.word() {
            Word::Plain(word) => word.fetch_add(value, ordering),
            Word::Loom(word) => word.fetch_add(value, ordering),
            Word::Messages(_) => no_read_modify_write(),
        }
    }

    /// As `std`'s.
    pub fn fetch_and(&self, value: u64, ordering: Ordering) -> u64 {
        match self.word() {
            Word::Plain(word) => word.fetch_and(value, ordering),
            Word::Loom(word) => word.fetch_and(value, ordering),
            Word::Messages(_) => no_read_modify_write(),
        }
    }

    /// As `std`'s.
    pub fn fetch_or(&self, value: u64, ordering: Ordering) -> u64 {
        match self.word() {
            Word::Plain(word) => word.fetch_or(value, ordering),
            Word::Loom(word) => word.fetch_or(value, ordering),
            Word::Messages(_) => no_read_modify_write(),
        }
    }

    /// As `std`'s.
    ///
    /// # Errors
    ///
    /// As `std`'s: the value that `change` refused.
    pub fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        change: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        match self.word() {
            Word::Plain(word) => word.fetch_update(set, fetch, change),
            Word::Loom(word) => word.fetch_update(set, fetch, change),
            Word::Messages(_) => no_read_modify_write(),
        }
    }
}

fn no_read_modify_write() -> ! {
    panic!("`messages` explores loads and stores: use `explore_words`")
}

/// Stands in for [`std::sync::atomic::fence`].
pub fn fence(ordering: Ordering) {
    match EXPLORER.get() {
        Explorer::None => atomic::fence(ordering),
        Explorer::Loom => loom::sync::atomic::fence(ordering),
        Explorer::Messages => messages::fence(ordering),
    }
}
