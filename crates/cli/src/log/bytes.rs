//! A history as it is: the bytes on standard output, filtered where that is a terminal, and what there is to say of them on
//! standard error.

use std::io::{self, IsTerminal as _, Write as _, stderr};
use std::thread;

use signal_hook::low_level::emulate_default_handler;
use vuart_endpoint::End;
use vuart_wire::Hole;

use super::Printout;
use crate::error::Error;
use crate::outlet::Outlet;
use crate::{screen, signals};

/// The bytes, as the guest wrote them.
pub(super) struct Bytes {
    verbose: bool,
    outlet: Outlet,
    written: u64,
}

impl Bytes {
    pub(super) fn new(verbose: bool, verbatim: bool) -> Result<Self, Error> {
        let outlet = Outlet::new(verbatim);
        if outlet.is_terminal() {
            give_back_on_signals().map_err(|source| Error::Host { operation: "catch signals", source })?;
        }
        Ok(Self { verbose, outlet, written: 0 })
    }

    fn note(&mut self, text: &str) {
        let fresh = if self.outlet.take_inside_line() { "\n" } else { "" };
        // Nobody can be told that standard error fails.
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

    fn pause(&mut self) -> Result<(), Error> {
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
