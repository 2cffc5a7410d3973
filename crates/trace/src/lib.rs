//! Register traces: what a guest and its host did to a UART, as text that a person can read, write and replay.
//!
//! ```text
#![doc = include_str!("format.txt")]
//! ```
//!
//! An operation is a line; what follows a `#` is a comment. A recording that could not keep everything has a line `lost N`
//! where N bytes of it are missing, and can't be replayed. The UART is in its reset state at first, with carrier, CTS
//! and DSR on.
//!
//! In instant mode the host's characters go into the receiver as far as it has [room](vuart_16550::Uart::room), and the rest
//! waits behind it and moves up as soon as there is. In timed mode the host is at the other end of a line: the first
//! character of a pause has come at the moment of its `rx`, each of the others a character time after the one before; a line
//! does not wait, so a receiver that is full overruns, unless automatic flow control (a 16750's) holds the sender back. A
//! character that comes while the UART loops back waits in instant mode, and is lost in timed mode.
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
pub use operation::{Mode, Operation, Settings};
pub use parse::Trace;
pub use recorder::RecordError;
pub use recording::{Recording, Saving};
pub use replay::{FillError, Got, Mismatch};
pub use tracer::Tracer;

/// The line that a trace begins with.
pub const HEADER: &str = "# vuart trace v1";

/// What a line of a trace may be, for people: the table in this module's documentation.
pub const FORMAT: &str = include_str!("format.txt");
