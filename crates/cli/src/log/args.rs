//! The arguments of `vuart log`.

use std::ffi::OsString;

use clap::Args;
use clap_complete::ArgValueCompleter;
use vuart_scrollback::Position;

use crate::begin::BeginArgs;
use crate::number::number;
use crate::target::candidates;
use crate::tty::outlet::Form;

/// Write what a guest has written, by offset, to standard output.
///
/// Each byte has an offset, counted from the first. Reading takes nothing away. Where bytes are gone from the history, standard
/// error says which.
///
/// What is written depends on where it goes, because a guest's control sequences can make a terminal type into your shell. A file
/// gets every byte (`vuart log vm0 > FILE`). A terminal gets what is safe to show. A pipe or a socket gets plain text, because what
/// reads from it as a rule shows it on a terminal (`vuart log vm0 | tail`). --raw, --filter and --plain choose another form. What is
/// written is never changed: bytes are only left out.
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

    #[command(flatten)]
    form: FormArgs,

    /// Say the offset to go on from, on standard error, also when that is no terminal
    #[arg(long, short)]
    pub(super) verbose: bool,
}

/// The options for what is written. Without one, that depends on where it goes.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct FormArgs {
    /// Write every byte, to a terminal or a pipe as well, also what makes a terminal answer, which types into your shell
    #[arg(long)]
    raw: bool,

    /// Write what is safe to show on a terminal, colours and the cursor's movements among it, to a file or a pipe as well; what the
    /// guest has left on is turned off at the end
    #[arg(long)]
    filter: bool,

    /// Write plain text, to a terminal or a file as well: characters, line ends, tabulators and backspaces
    #[arg(long)]
    plain: bool,
}

impl LogArgs {
    /// The form that the options ask for, if they do.
    pub(super) fn form(&self) -> Option<Form> {
        match self.form {
            FormArgs { raw: true, .. } => Some(Form::Exact),
            FormArgs { filter: true, .. } => Some(Form::Filtered),
            FormArgs { plain: true, .. } => Some(Form::Plain),
            _ => None,
        }
    }

    /// Where the log begins: with the oldest byte that is kept, unless an option says otherwise.
    pub(super) fn begin(&self) -> Position {
        self.begin.position().unwrap_or(Position::Oldest)
    }
}
