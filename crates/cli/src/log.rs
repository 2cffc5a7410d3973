//! `vuart log`: the history by offset.

use std::io::{self, IsTerminal as _, Write as _, stderr, stdout};

use vuart::endpoint::ClientError;
use vuart::endpoint::wire::Event;

use crate::args::LogArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::target::Target;
use crate::user;

/// Writes what was asked for.
pub(crate) fn run(args: &LogArgs) -> Result<Exit, Error> {
    let mut client = Target::parse(&args.target)?.connect(&user::name())?;
    client.log(args.begin(), args.max)?;
    let same_screen = stdout().is_terminal() && stderr().is_terminal();
    let mut inside_line = false;
    let mut written = 0_u64;
    let note = |text: &str, inside_line: &mut bool| {
        let fresh = if std::mem::take(inside_line) { "\n" } else { "" };
        // Nobody can be told that standard error fails.
        let _ = writeln!(stderr(), "{fresh}[vuart: {text}]");
    };
    loop {
        match client.recv()? {
            Event::Output { bytes, .. } => {
                match write_out(&bytes) {
                    Ok(()) => {}
                    // Whoever reads has read enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
                    Err(error) => return Err(Error::Stdout(error)),
                }
                written = written.saturating_add(bytes.len() as u64);
                inside_line = same_screen && bytes.last().is_some_and(|last| *last != b'\n');
            }
            Event::Hole(hole) => {
                let lost = hole.to.saturating_sub(hole.from);
                note(
                    &format!(
                        "{lost} bytes are lost here, offsets {} to {}",
                        hole.from,
                        hole.to.saturating_sub(1)
                    ),
                    &mut inside_line,
                );
            }
            Event::LogEnd(end) => {
                if args.verbose || stderr().is_terminal() {
                    note(&format!("{written} bytes; the next offset is {}", end.next), &mut inside_line);
                }
                return Ok(Exit::Done);
            }
            Event::Error(error) => return Err(ClientError::Server(error).into()),
            other => return Err(ClientError::Unexpected(format!("{other:?}")).into()),
        }
    }
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
