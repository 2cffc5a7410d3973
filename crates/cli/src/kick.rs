//! `vuart kick`: ends somebody's session.

use crate::args::KickArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;
use crate::user;

/// Asks the server to end the session. The server decides whether this user may do so.
pub(crate) fn run(args: &KickArgs) -> Result<Exit, Error> {
    let label = args.label.clone().unwrap_or_else(user::name);
    Target::parse(&args.target)?.connect(&label)?.kick(args.session)?;
    Ok(Exit::Done)
}
