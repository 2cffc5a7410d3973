//! `vuart log`: the history by offset, from a console's server or from the file that its ring lives in.

mod bytes;
mod follow;
mod json;
mod ring;

use std::io;
use std::thread;

use vuart_endpoint::End;
use vuart_wire::{ClientError, Event, Hole};

use bytes::Bytes;
use json::Json;

use crate::args::LogArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;
use crate::user;

/// Writes what was asked for.
pub(crate) fn run(args: &LogArgs) -> Result<Exit, Error> {
    let mut printout: Box<dyn Printout> =
        if args.json { Box::new(Json::default()) } else { Box::new(Bytes::new(args.verbose, args.raw)?) };
    let written = match Target::file(&args.target) {
        Some(path) => ring::print(path, args, printout.as_mut()),
        None if args.follow => follow::print(args, printout.as_mut()),
        None => served(args, printout.as_mut()),
    };
    printout.restore();
    match written {
        // A signal has come, and ends the process at this moment.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::Interrupted => loop {
            thread::park();
        },
        // Whoever reads has read enough.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => written.map(|()| Exit::Done),
    }
}

/// How a history is written.
trait Printout {
    /// The guest's bytes, from `offset` on.
    fn output(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error>;

    /// Bytes that are gone.
    fn hole(&mut self, hole: Hole) -> Result<(), Error>;

    /// Nothing has come for a while, and something may come yet.
    fn pause(&mut self) -> Result<(), Error>;

    /// There is no more. If it was the console that ended, how.
    fn end(&mut self, next: u64, end: Option<&End>) -> Result<(), Error>;

    /// Turns off what the guest has left on in the terminal, where there is one.
    fn restore(&self);
}

/// What a server tells.
fn served(args: &LogArgs, printout: &mut dyn Printout) -> Result<(), Error> {
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
