//! Register traces: what a guest and its host did to a UART, as text that a person can read, write and replay.
//!
//! A [`Tracer`] records a trace, a [`Trace`] is parsed from text, and a [`Board`], or any other [`Device`], replays it. A [`Board`] is the
//! bare register machine. What a VMM embeds is more than that: `vuart::replay` has a [`Device`] around its port.
//!
//! Numbers such as R3 and S7 are rows of [the rules](https://docs.rs/vuart/latest/vuart/rules/index.html).
//!
//! # Format
//!
//! ```text
#![doc = include_str!("format.txt")]
//! ```
//!
//! Each text line has one operation. A `#` begins a comment. A recording that could not keep everything has a line `lost N` where N bytes
//! of it are missing, and can't be replayed. The UART is in its reset state at first, with carrier, CTS and DSR on.
//!
//! *Instant mode.* The host's characters wait in a queue. A [`Board`] moves them into the receiver as soon as it has
//! [room](vuart_16550::Uart::room), and a port when the guest looks for them. A character that comes in loopback waits, too. A reset
//! empties the receiver, and not what waits.
//!
//! *The place of the host.* A trace of a driver says what the host does at the port (`at port`). A recording says what the receiver inside
//! the port took, and when (`at chip`), so it is replayed on the bare register machine.
//!
//! *Timed mode.* The host is at the other end of a serial line. The first character after a pause arrives at the time of its `rx`, and each
//! further character one character time later. A serial line does not wait, so a full receiver overruns, unless automatic flow control (of a
//! 16750) holds the sender back. A character that comes in loopback is lost.
//!
//! ```
//! use vuart_trace::{Board, Trace};
//!
//! let trace: Trace = "
//!     w 1 02        # enable the THRE interrupt
//!     irq 1
//!     r 2 02
//!     w 0 41
//!     tx 42         # wrong on purpose
//! ".parse()?;
//! let mismatches = trace.replay(&mut Board::new(trace.settings()));
//! assert_eq!(mismatches.len(), 1);
//! assert_eq!(mismatches[0].to_string(), "6: tx: expected 42, got 41");
//! # Ok::<(), vuart_trace::ParseError>(())
//! ```

#![forbid(unsafe_code)]

mod board;
mod device;
mod error;
mod file;
mod line;
mod operation;
mod parse;
mod recorder;
mod recording;
mod replay;
mod tracer;

pub use board::Board;
pub use device::{Device, Unsupported};
pub use error::{ParseError, Reason};
pub use file::create_file;
pub use operation::{Boundary, Mode, Operation, Settings};
pub use parse::Trace;
pub use recorder::RecordError;
pub use recording::{Recording, Saving};
pub use replay::{FillError, Got, Mismatch};
pub use tracer::Tracer;

/// The first line of a trace.
pub const HEADER: &str = "# vuart trace v1";

/// The operations as a table for people: the one in this crate's documentation.
pub const FORMAT: &str = include_str!("format.txt");

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
