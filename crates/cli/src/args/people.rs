//! The arguments of `vuart list`, `vuart who` and `vuart kick`.

use std::ffi::OsString;

use clap::Args;
use clap_complete::ArgValueCompleter;
use vuart_endpoint::SessionId;

use crate::target::candidates;

/// List the consoles of this user: who holds them, since when, how many wait and watch, how much their guests have written.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct ListArgs {
    /// For programs: an array with one object for each console
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say who is at a console: who owns it, who waits in line, who watches, since when, and on how large a terminal.
///
/// The first column is the session's number, which `vuart kick` takes.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct WhoArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    pub(crate) target: OsString,

    /// For programs: one object, with the console's counters
    #[arg(long)]
    pub(crate) json: bool,

    /// Also what has happened at the console, in numbers
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// End somebody's session. They are told by whom.
///
/// Nobody is kept from coming back by that. The server decides who may do it.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct KickArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    pub(crate) target: OsString,

    /// The number of the session, as `vuart who` has it
    #[arg(value_name = "SESSION")]
    pub(crate) session: SessionId,

    /// What to call yourself to others; your login name unless given
    #[arg(long)]
    pub(crate) label: Option<String>,
}
