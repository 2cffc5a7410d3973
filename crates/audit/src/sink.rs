//! What a trail's lines are written to.

use std::io::{self, Write};

use crate::error::AuditError;

/// A destination of lines.
pub(crate) trait Sink {
    /// Makes room for a line of that length.
    fn make_room(&mut self, len: usize) -> Result<(), AuditError>;

    /// Takes some bytes of a line, and returns how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Brings what was written to where it is to be.
    fn sync(&mut self) -> io::Result<()>;
}

/// A writer of any kind. How many bytes it keeps is up to it.
#[derive(Debug)]
pub(crate) struct Plain<W>(pub(crate) W);

impl<W: Write> Sink for Plain<W> {
    fn make_room(&mut self, _len: usize) -> Result<(), AuditError> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
