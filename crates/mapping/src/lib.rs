//! Mapped memory as atomic words. The ring needs it to share its memory with other processes without unsafe code of its own.
//!
//! The writer has a [`Mapping`], each reader a [`View`]. A view cannot store. Both begin with a [`Page`] of 64-bit words, the *header*.
//! The words after it are the *body*. All words are zero at first.
//!
//! ```
//! use std::sync::atomic::Ordering::Relaxed;
//!
//! use vuart_mapping::Mapping;
//!
//! let mapping = Mapping::anonymous(8192)?;
//! let view = mapping.view();
//! mapping.body()[7].store(1, Relaxed);
//! assert_eq!(view.body()[7].load(Relaxed), 1);
//! assert_eq!(view.body().len(), 1024);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Why the unsafe code is sound
//!
//! * The memory stays there, mapped or allocated, at its place, as long as any handle to it exists: each handle has an `Arc` of the mapping.
//! * This process accesses the memory only by aligned atomics of 64 bits.
//! * Other processes that map the same file and use atomics are like threads. Another process that uses anything else is beyond what the
//!   language describes: its stores can change a word at any time. Every value is a valid word, so nothing breaks here, but a reader
//!   must not trust the values.
//! * If somebody truncates a mapped file, its pages go, and an access ends the process with SIGBUS. That is defined, but fatal. Seal a
//!   `memfd` to prevent it.
//!
//! # Without an operating system
//!
//! Without the feature `std`, which is a default, this crate needs `core` and `alloc` only. [`Mapping::on_heap`] then makes the words,
//! with the same handles to them.
//!
//! # Models
//!
//! With `--cfg loom` the words are those of the workspace's package `vuart-explore`, in ordinary memory, and files cannot be mapped.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(clippy::multiple_unsafe_ops_per_block)]

extern crate alloc;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("Rust promises loads of 64 bits from read-only memory on 64-bit machines only");

mod mapping;
mod memory;
mod ring;
mod sync;
mod view;
mod words;

pub use mapping::Mapping;
pub use ring::Ring;
pub use view::{View, Word};

/// The bytes in a word.
pub const WORD: usize = 8;

/// The bytes in a [`Page`]. The machine's pages may have another size.
pub const PAGE: usize = 4096;

/// The words in a [`Page`].
const HEADER: usize = PAGE / WORD;

/// The first words of a mapping.
pub type Page<W> = [W; HEADER];

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
