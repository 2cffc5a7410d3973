//! `vuart log`: prints the guest's output by offset, from a console's server or from the file that holds its ring.
//!
//! The output comes from a server ([`served`]) or from a file ([`ring`]). It is printed by a [`Printout`]: as [`bytes`] or as
//! [`json`].

mod args;
mod bytes;
mod json;
mod printout;
mod quiet;
mod ring;
mod served;

use std::io;
use std::thread;

use self::bytes::Bytes;
use self::json::Json;
use self::printout::Printout;
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;

pub(crate) use self::args::LogArgs;

/// Prints the part of the output that the arguments select.
pub(crate) fn run(args: &LogArgs) -> Result<Exit, Error> {
    let mut printout: Box<dyn Printout> =
        if args.json { Box::new(Json::default()) } else { Box::new(Bytes::new(args.verbose, args.form())?) };
    let written = match Target::file(&args.target) {
        Some(path) => ring::print(path, args, printout.as_mut()),
        None if args.follow => served::follow(args, printout.as_mut()),
        None => served::print(args, printout.as_mut()),
    };
    printout.restore();
    match written {
        // A signal has arrived, and its thread is about to end the process.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::Interrupted => loop {
            thread::park();
        },
        // The reader of the pipe has read enough.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::DONE),
        written => written.map(|()| Exit::DONE),
    }
}
