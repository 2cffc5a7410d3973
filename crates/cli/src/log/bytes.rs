//! Output as bytes: on standard output, filtered if that is a terminal. Notes go to standard error.

use std::io::{self, IsTerminal as _, Write as _, stderr};
use std::{process, thread};

use vuart_endpoint::End;
use vuart_wire::Hole;

use super::printout::Printout;
use crate::error::Error;
use crate::signals;
use crate::tty::outlet::Outlet;
use crate::tty::screen;

/// A printout of bytes.
pub(super) struct Bytes {
    /// Whether the end is noted on standard error even if that is not a terminal.
    verbose: bool,
    outlet: Outlet,
    /// How many bytes were printed.
    written: u64,
}

impl Bytes {
    /// A printout. With `verbatim`, a terminal gets every byte.
    pub(super) fn new(verbose: bool, verbatim: bool) -> Result<Self, Error> {
        let outlet = Outlet::new(verbatim);
        if outlet.is_terminal() {
            give_back_on_signals().map_err(|source| Error::Host { operation: "catch signals", source })?;
        }
        Ok(Self { verbose, outlet, written: 0 })
    }

    fn note(&mut self, text: &str) {
        let fresh = if self.outlet.take_inside_line() { "\n" } else { "" };
        // A failure of standard error can't be reported anywhere.
        let _ = writeln!(stderr(), "{fresh}[vuart: {text}]");
    }
}

impl Printout for Bytes {
    fn output(&mut self, _: u64, bytes: &[u8]) -> Result<(), Error> {
        self.outlet.write(bytes).map_err(|error| Error::Stdout(error.into()))?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn hole(&mut self, Hole { from, to }: Hole) -> Result<(), Error> {
        self.outlet.cut();
        let lost = to.saturating_sub(from);
        self.note(&format!("{lost} bytes are lost here, offsets {from} to {}", to.saturating_sub(1)));
        Ok(())
    }

    fn end(&mut self, next: u64, _: Option<&End>) -> Result<(), Error> {
        self.restore();
        if self.verbose || stderr().is_terminal() {
            self.note(&format!("{} bytes; the next offset is {next}", self.written));
        }
        Ok(())
    }

    fn restore(&self) {
        if self.outlet.is_terminal() {
            screen::restore();
        }
    }
}

/// Restores the terminal before a signal ends the process. A thread does it, because the main thread may be waiting for
/// the server or for the terminal.
fn give_back_on_signals() -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new(signals::leaving())?;
    thread::Builder::new().name("vuart-signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            screen::give_back();
            signals::end_by(signal);
            process::exit(128 | signal);
        }
    })?;
    Ok(())
}
