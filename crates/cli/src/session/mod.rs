//! A session at a console: it carries bytes between the server and standard input and output, which may be a terminal,
//! pipes or files.
//!
//! * [`carry`] is the session itself: it waits for input, output and signals, and handles each.
//! * [`role`] decides what follows from a change between owner, spectator and queue.
//! * [`local`] is the user's side: the terminal, notes, signals, suspension, the end.
//! * [`progress`] is how far the output has come, to continue it elsewhere.
//! * [`reconnect`] looks for a server again when the connection is lost; [`attempt`] is one try, on a thread of its own.
//! * [`options`] is what the user asked for, and [`outcome`] how the session ended.
//!
//! Typed escapes and the guest's escape sequences are recognised in `terminal/`; `tty/` puts the user's terminal into raw mode
//! and writes to it.

mod attempt;
mod carry;
mod local;
mod options;
mod progress;
mod reconnect;
mod role;

pub(crate) use attempt::{Destination, may_pass};
pub(crate) use carry::Session;
pub(crate) use options::{Options, Outcome, Wording};
pub(crate) use reconnect::Pauses;
pub(crate) use role::place;
