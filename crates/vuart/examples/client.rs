//! Attaches to a console by name, takes it over, and shows what the guest writes until the session ends.
//!
//! `cargo run --example client -- NAME [watch]`. With `watch` it spectates instead. (The command `vuart attach` does much more: it types,
//! and it filters what a terminal must not be shown.)

use std::env;
use std::error::Error;
use std::io::{self, Write};

use vuart::endpoint::{End, Mode};
use vuart::scrollback::Position;
use vuart::wire::{Event, RuntimeDir};

/// Writes the console's output into `out` until the session ends, and returns how it has ended.
///
/// # Errors
///
/// When there is no such console, it refuses the session, or the connection is lost.
pub(crate) fn follow(
    dir: &RuntimeDir,
    name: &str,
    mode: Mode,
    out: &mut impl Write,
) -> Result<End, Box<dyn Error>> {
    let mut client = dir.connect(name, "example")?;
    let attached = client.attach(mode, Position::Oldest)?;
    eprintln!("[attached to {name} as {}]", if attached.owner { "its owner" } else { "a spectator" });
    loop {
        match client.recv()? {
            Event::Output { bytes, .. } => out.write_all(&bytes)?,
            Event::Ended(end) => return Ok(end),
            // Others have come or gone, or some output was missed.
            other => eprintln!("[{other:?}]"),
        }
        out.flush()?;
    }
}

/// Follows the console that the command line names.
///
/// # Errors
///
/// As [`follow`], or when no name is given.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().ok_or("usage: client NAME [watch]")?;
    let mode = if arguments.next().is_some() { Mode::Spectate } else { Mode::TakeOver };
    let dir = RuntimeDir::open(RuntimeDir::default_path())?;
    let end = follow(&dir, &name, mode, &mut io::stdout())?;
    eprintln!("[{:?}]", end.cause);
    Ok(())
}
