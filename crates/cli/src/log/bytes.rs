//! Output as bytes on standard output, in the form that is safe there. Notes go to standard error.

use std::io::{self, IsTerminal as _, Write as _, stderr};
use std::thread;

use signal_hook::low_level::emulate_default_handler;
use vuart_endpoint::{End, Printable};
use vuart_wire::Hole;

use super::printout::Printout;
use crate::error::Error;
use crate::number::counted;
use crate::signals;
use crate::tty::outlet::{Form, Outlet};
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
    /// A printout, in this form or else in the one that is safe where it goes.
    pub(super) fn new(verbose: bool, form: Option<Form>) -> Result<Self, Error> {
        let outlet = Outlet::new(form);
        if outlet.is_screen() {
            give_back_on_signals().map_err(|source| Error::Host { operation: "catch signals", source })?;
        }
        Ok(Self { verbose, outlet, written: 0 })
    }

    fn say(&mut self, text: &str) {
        let fresh = if self.outlet.take_inside_line() { "\n" } else { "" };
        // A failure of standard error can't be reported anywhere.
        let _ = writeln!(stderr(), "{fresh}[vuart: {}]", Printable(text));
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
        let lost = counted(to.saturating_sub(from), "byte is", "bytes are");
        self.say(&format!("{lost} lost here, from offset {from} on; the next offset is {to}"));
        Ok(())
    }

    fn note(&mut self, text: &str) {
        self.say(text);
    }

    fn end(&mut self, next: u64, _: Option<&End>) -> Result<(), Error> {
        self.restore();
        if self.verbose || stderr().is_terminal() {
            let written = counted(self.written, "byte", "bytes");
            let left_out = match self.outlet.left_out() {
                0 => String::new(),
                count => format!(" ({count} left out here: control sequences; --raw writes them)"),
            };
            self.say(&format!("{written}{left_out}; the next offset is {next}"));
        }
        Ok(())
    }

    fn restore(&self) {
        if self.outlet.is_screen() {
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
            // The signal's default action. It fails only for invalid signals.
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
