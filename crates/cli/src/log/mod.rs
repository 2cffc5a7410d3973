//! `vuart log`: prints the guest's output by offset, from a console's server or from the file that holds its ring.
//!
//! The output comes from [`served`] (a server), [`follow`] (a server, continuously) or [`ring`] (a file). It is printed by a
//! [`Printout`]: as [`bytes`] or as [`json`].

mod bytes;
mod follow;
mod json;
mod printout;
mod quiet;
mod ring;
mod served;

use std::io;
use std::thread;

use bytes::Bytes;
use json::Json;
use printout::Printout;

use crate::args::LogArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;

/// Prints the part of the output that the arguments select.
pub(crate) fn run(args: &LogArgs) -> Result<Exit, Error> {
    let mut printout: Box<dyn Printout> =
        if args.json { Box::new(Json::default()) } else { Box::new(Bytes::new(args.verbose, args.raw)?) };
    let written = match Target::file(&args.target) {
        Some(path) => ring::print(path, args, printout.as_mut()),
        None if args.follow => follow::print(args, printout.as_mut()),
        None => served::print(args, printout.as_mut()),
    };
    printout.restore();
    match written {
        // A signal has arrived, and its thread is about to end the process.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::Interrupted => loop {
            thread::park();
        },
        // The reader of the pipe has read enough.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => written.map(|()| Exit::Done),
    }
}
