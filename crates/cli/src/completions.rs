//! `vuart completions`, and the answers to a shell that asks for completions.

use std::ffi::OsStr;
use std::io::{self, Write as _, stdout};

use clap::CommandFactory as _;
use clap_complete::engine::{PathCompleter, ValueCompleter as _};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, CompletionCandidate};
use vuart_wire::RuntimeDir;

use crate::args::{Arguments, CompletionsArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::command;

/// Set by the shell that asks. Not the usual `COMPLETE`, which other programs may have set for themselves.
const VARIABLE: &str = "VUART_COMPLETE";

/// If a shell asks for completions, answers it and ends the process.
pub(crate) fn complete_if_asked() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

/// Writes what makes a shell ask.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Error> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    // There is one for each name that the command line takes, and it writes into memory.
    let written = shells.completer(args.shell.name()).map_or(Ok(()), |shell| {
        shell.write_registration(VARIABLE, "vuart", "vuart", &command(), &mut script)
    });
    match written.and_then(|()| stdout().write_all(&script)).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
        _ => Ok(Exit::Done),
    }
}

/// The consoles that there are, without a question to their servers; or paths, once there is a slash.
pub(crate) fn targets(begun: &OsStr) -> Vec<CompletionCandidate> {
    if begun.as_encoded_bytes().contains(&b'/') {
        return PathCompleter::any().complete(begun);
    }
    let names = RuntimeDir::open(RuntimeDir::default_path()).and_then(|dir| dir.names());
    let begun = begun.to_string_lossy();
    names
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with(begun.as_ref()))
        .map(CompletionCandidate::new)
        .collect()
}
