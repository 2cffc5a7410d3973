//! A guest's console on what a VMM has already: its standard input and output, a file, a pipe or FIFO, the master of a pseudo-terminal, a
//! connected socket, any writer. Input and output are each optional.
//!
//! [`Local`] is a session at a [`Console`](vuart_endpoint::Console) like any other: it has a label, and others see it. By default it
//! [yields](vuart_endpoint::Mode::Yield): it owns the console only while nobody else wants to. An event loop drives it ([`Dispatch`]).
//!
//! ```no_run
//! use vuart_local::{Dispatch as _, Local};
//! # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
//! # let (console, _input) = vuart_endpoint::Console::new(scrollback, || ());
//! # fn wait_until_readable(_: impl std::os::fd::AsFd) {}
//!
//! let mut local = Local::stdio(&console)?; // raw, if it is a terminal
//! local.dispatch()?;
//! while console.ended().is_none() || !local.is_settled() {
//!     wait_until_readable(&local); // in your event loop, among others
//!     local.dispatch()?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # It never blocks, and changes no flags that others share
//!
//! `O_NONBLOCK` belongs to the open file description, which a VMM shares with the shell that started it. So it is not set there. Instead:
//!
//! | what it is on | how a call does not wait |
//! |---|---|
//! | its description has `O_NONBLOCK` already | as it is |
//! | socket | `MSG_DONTWAIT` |
//! | pipe, FIFO, terminal | opened anew through `/proc/self/fd`: the same pipe, with a description of our own that has `O_NONBLOCK` |
//! | the same, where it can't be opened anew (no `/proc`, or it belongs to another user) | `poll` before each call, and no more than fits then: 4,096 bytes of a pipe, one byte of a terminal. If other processes write the same pipe, the room may be gone by then, and the call waits |
//! | master of a pseudo-terminal | can't be opened anew. It is the VMM's own, and gets `O_NONBLOCK` |
//! | regular file | a write waits for no reader, but may wait for a slow disk |
//! | other devices, such as `/dev/null` | `poll` before each call |
//! | a [`Write`](std::io::Write) of the VMM | its own business: it is called on the thread that drives this |
//!
//! # What becomes of output
//!
//! It stays in the ring until it is taken. When the ring overwrites it before, a line `[vuart: N bytes lost]` stands in its place
//! ([`with_notices`](LocalBuilder::with_notices)). The first byte after a pause is written at once. While output flows, it is written each
//! 4 milliseconds ([`with_tick`](LocalBuilder::with_tick)), and more often only if an eighth of the ring fills up in less. While nothing
//! comes, nothing wakes.
//!
//! A disk that is full is tried again each second, and told as a [warning](vuart_endpoint::Console::warn) of the console meanwhile, whose
//! topic is `local` and the label. A
//! reader that has gone (`EPIPE`, a terminal that hangs up, `EIO`) ends the output, and not the input. The master of a pseudo-terminal ends
//! with neither: a program may open it again. A FIFO whose readers come and go is best opened for reading *and* writing by the VMM, so that
//! it always has a reader.
//!
//! Writing to a pipe without a reader raises `SIGPIPE`, which a Rust program ignores from its start. A VMM whose `main` is not Rust's must
//! ignore it, too. Sockets are written with `MSG_NOSIGNAL`.
//!
//! Dropping a [`Local`] writes what is taken at once, without a limit. [`Local::finish`] waits for the rest. If a panic drops it, a writer
//! and a filter of the VMM are not called any more: they may be what has panicked.
//!
//! # What becomes of input
//!
//! What the console has no room for waits, at most 4 KiB here and the rest where it comes from. While another session owns the console, a
//! pipe or a file waits until the console comes back. What a person types at a terminal or socket is dropped then, up to the moment in
//! which the console is known to have come back, and counted ([`Counters::input_abandoned`](vuart_endpoint::Counters::input_abandoned)). So
//! nothing that was typed before a take-over reaches the guest after it. The end of input leaves the output as it is.
//!
//! A FIFO that is open for reading only ends when no program has it open for writing, also before the first one has come. Open it for
//! reading *and* writing, and it never ends.
//!
//! A session that is kicked begins again, at the same place. While the console is switched off, output goes on, as to any log, and input
//! waits.
//!
//! # Terminals
//!
//! In raw mode ([`with_raw_mode`](LocalBuilder::with_raw_mode)) every key reaches the guest, also those that send signals. The terminal is
//! restored when the [`Local`] is dropped (the last one, if several are at one terminal) and when any thread panics.
//! [`restore_terminals`] is for the other ways out: `process::exit`, and signals that end the VMM.
//!
//! A VMM in the background of its terminal's shell does not read the terminal, nor does it write to it if the terminal forbids that
//! (`stty tostop`): the shell would stop it. It looks again each second. The terminal's state may change between that look and the call; a
//! VMM that must not stop even then blocks `SIGTTIN` and `SIGTTOU` in this thread.
//!
//! # System calls
//!
//! For seccomp filters, `vuart-seccomp` has them as data: `local()`, and `local_terminal()` for a terminal. Making one takes those of
//! `setup()`. There is one thread: the one that drives it.

#![forbid(unsafe_code)]

mod builder;
mod descriptor;
mod error;
mod filter;
mod inlet;
mod limit;
mod local;
mod log_file;
mod outlet;
mod poller;
mod raw_mode;
mod sink;

pub use builder::LocalBuilder;
pub use error::{FinishError, LocalError};
pub use filter::{Filter, LineEnds};
pub use limit::Limit;
pub use local::Local;
pub use log_file::LogFile;
pub use raw_mode::restore_terminals;
pub use vuart_dispatch::Dispatch;

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
