//! The form in which output is printed.

use std::io::{Write as _, stderr};

use vuart_endpoint::{End, Printable};
use vuart_wire::Hole;

use crate::error::Error;

/// A form in which output is printed. The calls come in the order of the offsets.
pub(super) trait Printout {
    /// Prints the guest's bytes, which begin at `offset`.
    fn output(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error>;

    /// Reports lost bytes.
    fn hole(&mut self, hole: Hole) -> Result<(), Error>;

    /// Prints what has been held back, because nothing has arrived for a while. More may follow.
    fn pause(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Says something on standard error.
    fn note(&mut self, text: &str) {
        // A failure of standard error can't be reported anywhere.
        let _ = writeln!(stderr(), "[vuart: {}]", Printable(text));
    }

    /// Ends the printout. `next` is the offset to continue from, and `end` says how the console has ended, if it has.
    fn end(&mut self, next: u64, end: Option<&End>) -> Result<(), Error>;

    /// Turns off what the guest has left on in the terminal, if output goes to one.
    fn restore(&self) {}
}
