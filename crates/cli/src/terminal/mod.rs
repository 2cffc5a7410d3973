//! What passes between a person's terminal and a guest: escapes in the one direction, control sequences in the other.
//!
//! * [`escape`]: the escapes that a person types (`~.`, `~B`, `^]` …), recognised in the input.
//! * [`sequence`]: a parser that cuts a guest's output into text and control sequences.
//! * [`filter`]: the list of what is safe to show a terminal. Everything else is dropped.
//! * [`plain`]: the output as text, without any sequence.
//! * [`modes`]: the modes that a guest has left on in the terminal, and the sequences that turn them off and on.
//!
//! Nothing here knows a file descriptor: bytes and tokens go in, bytes and actions come out. The module `tty` has the rest.

pub(crate) mod escape;
pub(crate) mod filter;
pub(crate) mod modes;
pub(crate) mod plain;
mod rendition;
pub(crate) mod sequence;
