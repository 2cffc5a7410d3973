//! The arguments of `vuart log`.

use std::ffi::OsString;

use clap::Args;
use clap_complete::ArgValueCompleter;
use vuart_scrollback::Position;

use crate::begin::BeginArgs;
use crate::number::number;
use crate::target::candidates;

/// Write what a guest has written, by offset, to standard output.
///
/// The bytes are as the guest wrote them, and each has an offset, counted from the first. Reading takes nothing away. Where
/// bytes are gone from the history, standard error says which. A terminal is spared what would make it answer or change more
/// than its screen, unless `--raw` is given.
///
/// With --follow it goes on with what the guest writes, as a spectator, until a signal comes (exit status 130 after ^C, as of `tail -f`) or
/// the guest's end.
///
/// With the path of a file (with a slash in it) that a console's ring lives in, it needs no server: it reads what a VMM has
/// left that was killed, or what a live one has written so far. `/proc/PID/fd/N` is such a path as well, for a ring in a memfd.
/// Nothing tells of new output there: --follow looks five times a second, and ends by a signal alone.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct LogArgs {
    /// The console's name, the path of its control socket, or of a file that its ring lives in (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    pub(super) target: OsString,

    #[command(flatten)]
    begin: BeginArgs,

    /// Go on with what the guest writes from now on
    #[arg(long, short)]
    pub(super) follow: bool,

    /// For programs: one object in each line, with the offset, for a line of the guest's, a hole, or the end; see docs/log-json.md
    #[arg(long)]
    pub(super) json: bool,

    /// Write no more than this many bytes
    #[arg(long, value_name = "BYTES", value_parser = number, allow_negative_numbers = true)]
    pub(super) max: Option<u64>,

    /// Write every byte to a terminal as well; what is no terminal gets them all anyway
    #[arg(long)]
    pub(super) raw: bool,

    /// Say the offset to go on from, on standard error, also when that is no terminal
    #[arg(long, short)]
    pub(super) verbose: bool,
}

impl LogArgs {
    /// Where the log begins: with the oldest byte that is kept, unless an option says otherwise.
    pub(super) fn begin(&self) -> Position {
        self.begin.position().unwrap_or(Position::Oldest)
    }
}
