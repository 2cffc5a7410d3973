//! A ring of a console's output: one writer that never waits, any number of readers that lose nothing silently.
//!
//! Every byte ever written has an absolute 64-bit *offset*: the first is 0, and offsets are never reused. The ring keeps
//! the newest bytes and overwrites the oldest. A reader is a *cursor*, an offset and a shared handle. A reader that the
//! writer has *lapped* is told exactly how many bytes it missed, so a client's copy of the stream is the guest's bytes or
//! a declared *hole*, and nothing else.
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
//! The writer takes no lock, makes no system call, allocates nothing, reads nothing that a reader wrote, and finishes in
//! a bounded number of steps. Readers write nothing shared, so they can neither delay it nor each other. How that is
//! right in the memory model, without a lock and without `unsafe`, is argued in [`protocol`].
//!
//! The memory is this process's, or that of a `memfd` or a file ([`RingOptions`]): then the last output outlives the
//! process, and the next one goes on with the same offsets. [`layout`] says what is in there.
//!
//! The ring itself knows nothing of waiting. The thread that writes rings a [`Doorbell`], and each thread that wants
//! to sleep until there is more has a [`Sleeper`] of it.

#![forbid(unsafe_code)]

mod backing;
mod doorbell;
mod error;
mod geometry;
pub mod layout;
mod memory;
#[cfg(all(test, any(loom, miri)))]
mod models;
mod offsets;
mod options;
mod position;
pub mod protocol;
mod reader;
mod scrollback;
mod sync;
mod touch;
mod writer;

pub use doorbell::{Doorbell, Sleeper, SleeperError};
pub use error::{CapacityError, FileError, LayoutError, OptionsError};
pub use options::RingOptions;
pub use position::Position;
pub use reader::Reader;
pub use scrollback::{Read, Scrollback};
pub use writer::Writer;
