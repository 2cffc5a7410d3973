//! Writing a command's result to standard output.

use std::io::{self, Write as _, stdout};

use crate::error::Error;
use crate::exit::Exit;

/// Writes the result. A closed pipe is no error: its reader has read enough.
pub(crate) fn print(result: impl AsRef<[u8]>) -> Result<Exit, Error> {
    let mut stdout = stdout().lock();
    match stdout.write_all(result.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
        _ => Ok(Exit::Done),
    }
}
