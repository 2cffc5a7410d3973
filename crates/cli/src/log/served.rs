//! The output that a server has kept.

use vuart_wire::{ClientError, Event};

use super::printout::Printout;
use crate::args::LogArgs;
use crate::error::Error;
use crate::target::Target;
use crate::user;

/// Prints the requested part.
pub(super) fn print(args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
    let mut client = Target::parse(&args.target)?.connect(&user::name())?;
    client.log(args.begin(), args.max)?;
    loop {
        match client.recv()? {
            Event::Output { offset, bytes } => printout.output(offset, &bytes)?,
            Event::Hole(hole) => printout.hole(hole)?,
            Event::LogEnd(end) => return printout.end(end.next, None),
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            other => return Err(ClientError::Unexpected(format!("{other:?}")).into()),
        }
    }
}
