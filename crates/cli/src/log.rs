//! `vuart log`: the history by offset, from a console's server or from the file that its ring lives in.

mod ring;

use std::io::{self, IsTerminal as _, Write as _, stderr, stdout};

use vuart::endpoint::ClientError;
use vuart::endpoint::wire::{Event, Hole};

use crate::args::LogArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;
use crate::user;

/// Writes what was asked for.
pub(crate) fn run(args: &LogArgs) -> Result<Exit, Error> {
    let mut printout = Printout::new(args.verbose);
    let written = match Target::file(&args.target) {
        Some(path) => ring::print(path, args, &mut printout),
        None => served(args, &mut printout),
    };
    match written {
        // Whoever reads has read enough.
        Err(Error::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => written.map(|()| Exit::Done),
    }
}

/// What a server tells.
fn served(args: &LogArgs, printout: &mut Printout) -> Result<(), Error> {
    let mut client = Target::parse(&args.target)?.connect(&user::name())?;
    client.log(args.begin(), args.max)?;
    loop {
        match client.recv()? {
            Event::Output { bytes, .. } => printout.output(&bytes)?,
            Event::Hole(hole) => printout.hole(hole),
            Event::LogEnd(end) => {
                printout.end(end.next);
                return Ok(());
            }
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            other => return Err(ClientError::Unexpected(format!("{other:?}")).into()),
        }
    }
}

/// The bytes go to standard output, as they are; what there is to say of them, to standard error.
struct Printout {
    verbose: bool,
    same_screen: bool,
    inside_line: bool,
    written: u64,
}

impl Printout {
    fn new(verbose: bool) -> Self {
        let same_screen = stdout().is_terminal() && stderr().is_terminal();
        Self { verbose, same_screen, inside_line: false, written: 0 }
    }

    fn output(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut stdout = stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Error::Stdout)?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        self.inside_line = self.same_screen && bytes.last().is_some_and(|last| *last != b'\n');
        Ok(())
    }

    fn hole(&mut self, Hole { from, to }: Hole) {
        let lost = to.saturating_sub(from);
        self.note(&format!("{lost} bytes are lost here, offsets {from} to {}", to.saturating_sub(1)));
    }

    fn end(&mut self, next: u64) {
        if self.verbose || stderr().is_terminal() {
            self.note(&format!("{} bytes; the next offset is {next}", self.written));
        }
    }

    fn note(&mut self, text: &str) {
        let fresh = if std::mem::take(&mut self.inside_line) { "\n" } else { "" };
        // Nobody can be told that standard error fails.
        let _ = writeln!(stderr(), "{fresh}[vuart: {text}]");
    }
}
