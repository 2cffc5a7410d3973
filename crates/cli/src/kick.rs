//! `vuart kick`: ends somebody's session.

use std::ffi::OsString;

use clap::Args;
use clap_complete::ArgValueCompleter;
use vuart_endpoint::SessionId;

use crate::error::Error;
use crate::exit::Exit;
use crate::target::{Target, candidates};
use crate::user;

/// End somebody's session. They are told by whom.
///
/// Nobody is kept from coming back by that. The server decides who may do it.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct KickArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    target: OsString,

    /// The number of the session, as `vuart who` has it
    #[arg(value_name = "SESSION")]
    session: SessionId,

    /// What to call yourself to others; your login name unless given
    #[arg(long)]
    label: Option<String>,
}

/// Asks the server to end the session. The server decides whether this user may do so.
pub(crate) fn run(args: &KickArgs) -> Result<Exit, Error> {
    let label = args.label.clone().unwrap_or_else(user::name);
    Target::parse(&args.target)?.connect(&label)?.kick(args.session)?;
    Ok(Exit::DONE)
}
