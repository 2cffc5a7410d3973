//! `vuart completions`, and the answers to a shell that asks for completions.

use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

use crate::args::{Arguments, CompletionsArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::command;
use crate::print::print;

/// The environment variable that an asking shell sets. The usual name, `COMPLETE`, might be set for another program.
const VARIABLE: &str = "VUART_COMPLETE";

/// Answers a shell that asks for completions, and then ends the process. Does nothing otherwise.
pub(crate) fn complete_if_asked() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

/// Writes the script that makes a shell ask.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Error> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    // Each shell that the command line accepts is a builtin, and writing into memory does not fail.
    let written = shells.completer(args.shell.name()).map_or(Ok(()), |shell| {
        shell.write_registration(VARIABLE, "vuart", "vuart", &command(), &mut script)
    });
    written.map_err(Error::Stdout)?;
    print(script)
}
