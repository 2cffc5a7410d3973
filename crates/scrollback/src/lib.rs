//! A ring of a console's output. Its one writer never waits, and its readers, of any number, learn exactly what they lose.
//!
//! Each byte has an absolute 64-bit *offset*. The first byte has the offset 0, and no offset is used twice. The ring keeps the newest bytes
//! and overwrites the oldest. A reader is a *cursor*: an offset and a shared handle. A reader that the writer has *lapped* gets the exact
//! number of bytes that it missed. So a client's copy of the stream has the guest's bytes and declared *holes*, and nothing else.
//!
//! ```
//! use vuart_scrollback::Scrollback;
//!
//! let (mut writer, scrollback) = Scrollback::new(4096)?;
//! writer.extend(b"Linux version 6.1");
//!
//! let mut buf = [0; 64];
//! let read = scrollback.read_at(6, &mut buf);
//! assert_eq!(&buf[..read.len()], b"version 6.1");
//! assert_eq!((read.start, read.next, read.missed), (6, 17, 0));
//! # Ok::<(), vuart_scrollback::CapacityError>(())
//! ```
//!
//! The writer takes no lock, makes no system call, allocates nothing, loads nothing that a reader stores, and finishes in a bounded number
//! of steps. Readers store nothing shared, so they delay neither the writer nor each other. [`protocol`] proves that this is right in the
//! memory model, without a lock and without `unsafe`.
//!
//! The memory is this process's own, or that of a `memfd` or a file ([`RingOptions`]). A ring in a `memfd` or a file outlives the process,
//! and the next process continues its offsets. [`layout`] describes the content.
//!
//! The ring itself does not wait or wake. The writing thread rings a [`Doorbell`], and each thread that sleeps until there is more has a
//! [`Sleeper`] of that doorbell. A [`Follower`] is such a thread: it copies the stream to another place as it grows.
//!
//! # Without an operating system
//!
//! The feature `std` is a default. Without it this crate is `no_std` and needs `alloc`, on any 64-bit machine. Then there are [`Writer`],
//! [`Scrollback`], [`Reader`] and [`Position`], with the same protocol, on memory of the heap; and [`CallbackDoorbell`], which calls a
//! function where [`Doorbell`] writes to an eventfd. Rings in files, [`Follower`] and [`RingFile`] need `std`. (Sessions, in
//! `vuart-endpoint`, do, too.) To find text lines takes 4 KiB of stack. `tests/no-std` in the repository is a program without `std` that
//! prints from a ring.
//!
//! The feature `serde` makes a [`Position`] serialisable. It needs no `std`.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "std")]
mod backing;
mod doorbell;
mod error;
#[cfg(feature = "std")]
mod file_error;
#[cfg(feature = "std")]
mod follower;
mod geometry;
#[cfg(feature = "std")]
mod in_file;
pub mod layout;
mod limits;
mod memory;
#[cfg(all(test, feature = "std", any(loom, miri)))]
mod models;
#[cfg(feature = "std")]
mod named;
mod offsets;
mod options;
mod position;
pub mod protocol;
mod reader;
#[cfg(feature = "std")]
mod ring_file;
mod scrollback;
mod size;
mod sync;
#[cfg(feature = "std")]
mod touch;
mod writer;

pub use doorbell::{CallbackDoorbell, CallbackSleeper, SleeperError};
#[cfg(feature = "std")]
pub use doorbell::{Doorbell, Pace, Rest, Sleeper};
pub use error::{CapacityError, OptionsError};
#[cfg(feature = "std")]
pub use file_error::{FileError, LayoutError};
#[cfg(feature = "std")]
pub use follower::{FinishError, Follow, Follower, FollowerError, Step};
pub use options::RingOptions;
pub use position::Position;
pub use reader::Reader;
#[cfg(feature = "std")]
pub use ring_file::RingFile;
pub use scrollback::{Read, Scrollback};
pub use size::RingSize;
pub use writer::Writer;

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
