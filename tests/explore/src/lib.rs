//! What the models of the lock-free code share.
//!
//! A *model* is a test that runs the real code with few steps, in every way that the memory model allows. Models are built with
//! `RUSTFLAGS="--cfg loom"`. Then the `sync` module of a crate takes its atomics from here or from `loom`, and not from `std`. Two
//! explorers run models:
//!
//! * `loom` runs several threads in all interleavings: [`explore`], and [`explore_words`] for models of the ring's and the doorbell's
//!   own words.
//! * `messages` (with `--cfg loom`) runs one reader against a fixed history of the writer, and tries every message that each load may return. It
//!   is complete for that, and much faster.
//!
//! Without `--cfg loom` a model runs a hundred times with `std`'s threads and atomics. In that way Miri tries some executions, at random.
//!
//! ```
//! use std::sync::Arc;
//!
//! vuart_explore::explore(1, || {
//!     let latch = Arc::new(vuart_explore::Latch::default());
//!     let ringer = vuart_explore::thread::spawn({
//!         let latch = Arc::clone(&latch);
//!         move || latch.ring()
//!     });
//!     latch.wait();
//!     ringer.join().unwrap();
//! });
//! ```

#![forbid(unsafe_code)]

#[cfg(loom)]
mod atomic;
mod latch;
#[cfg(loom)]
pub mod messages;
#[cfg(not(loom))]
mod repeat;
#[cfg(loom)]
mod scheduler;

#[cfg(loom)]
pub use atomic::{AtomicU64, fence};
pub use latch::Latch;
#[cfg(loom)]
pub use loom::{
    sync::{Condvar, Mutex},
    thread,
};
#[cfg(not(loom))]
pub use repeat::{explore, explore_within, explore_words, explore_words_within};
#[cfg(loom)]
pub use scheduler::{explore, explore_within, explore_words, explore_words_within};
#[cfg(not(loom))]
pub use std::{
    sync::{Condvar, Mutex},
    thread,
};
