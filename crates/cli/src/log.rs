//! `vuart log`: the history by offset, from a console's server or from the file that its ring lives in.

mod ring;

use std::io::{self, IsTerminal as _, Write as _, stderr};
use std::thread;

use signal_hook::low_level::emulate_default_handler;
use vuart::endpoint::ClientError;
use vuart::endpoint::wire::{Event, Hole};

use crate::args::LogArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::outlet::Outlet;
use crate::screen;
use crate::signals;
use crate::target::Target;
use crate::user;

/// Writes what was asked for.
pub(crate) fn run(args: &LogArgs) -> Result<Exit, Error> {
    let mut printout = Printout::new(args.verbose, args.raw)?;
    let written = match Target::file(&args.target) {
        Some(path) => ring::print(path, args, &mut printout),
        None => served(args, &mut printout),
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

/// The bytes go to standard output, filtered where that is a terminal; what there is to say of them, to standard error.
struct Printout {
    verbose: bool,
    outlet: Outlet,
    written: u64,
}

impl Printout {
    fn new(verbose: bool, verbatim: bool) -> Result<Self, Error> {
        let outlet = Outlet::new(verbatim);
        if outlet.is_terminal() {
            give_back_on_signals().map_err(|source| Error::Host { operation: "catch signals", source })?;
        }
        Ok(Self { verbose, outlet, written: 0 })
    }

    fn output(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.outlet.write(bytes).map_err(|error| Error::Stdout(error.into()))?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn hole(&mut self, Hole { from, to }: Hole) {
        self.outlet.cut();
        let lost = to.saturating_sub(from);
        self.note(&format!("{lost} bytes are lost here, offsets {from} to {}", to.saturating_sub(1)));
    }

    fn end(&mut self, next: u64) {
        self.restore();
        if self.verbose || stderr().is_terminal() {
            self.note(&format!("{} bytes; the next offset is {next}", self.written));
        }
    }

    /// Turns off what the guest has left on in the terminal.
    fn restore(&self) {
        if self.outlet.is_terminal() {
            screen::restore();
        }
    }

    fn note(&mut self, text: &str) {
        let fresh = if self.outlet.take_inside_line() { "\n" } else { "" };
        // Nobody can be told that standard error fails.
        let _ = writeln!(stderr(), "{fresh}[vuart: {text}]");
    }
}

/// Lets a signal that ends the process restore the terminal first. By a thread, since a server, or the terminal, may let the
/// other one wait.
fn give_back_on_signals() -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new(signals::leaving())?;
    thread::Builder::new().name("vuart-signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            screen::give_back();
            // What it would have done by itself. It fails only of signals that are none.
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
