//! `vuart completions`, and the answers to a shell that asks for completions.

use clap::{Args, Command};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::command;
use crate::print::print;

/// Write what makes a shell complete this command's arguments, the consoles' names among them.
///
/// For now: `source <(vuart completions bash)`. For always, where the shell looks for it:
/// `vuart completions bash > ~/.local/share/bash-completion/completions/vuart`
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The environment variable that an asking shell sets. The usual name, `COMPLETE`, might be set for another program.
const VARIABLE: &str = "VUART_COMPLETE";

/// Answers a shell that asks for completions, and then ends the process. Does nothing otherwise.
pub(crate) fn complete_if_asked(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// Writes the script that makes a shell ask.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Error> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    // Each shell that the command line accepts is a builtin, and writing into memory does not fail.
    let written = shells.completer(&args.shell.to_string()).map_or(Ok(()), |shell| {
        shell.write_registration(VARIABLE, "vuart", "vuart", &command(), &mut script)
    });
    written.map_err(Error::Stdout)?;
    print(script)
}
