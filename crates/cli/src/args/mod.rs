//! The command line: which commands there are, and where their arguments are defined.
//!
//! The doc comments on the argument types are the texts of `--help` and of the manual pages.

use clap::{Parser, Subcommand};

use crate::exit;

mod attach;
#[cfg(feature = "demo")]
mod demo;
mod log;
mod people;
mod send;
mod shell;
mod trace;

pub(crate) use attach::AttachArgs;
#[cfg(feature = "demo")]
pub(crate) use demo::{DemoArgs, EngineArg};
pub(crate) use log::LogArgs;
pub(crate) use people::{KickArgs, ListArgs, WhoArgs};
pub(crate) use send::{SendArgs, What};
pub(crate) use shell::{CompletionsArgs, ManArgs};
pub(crate) use trace::{TraceArgs, TraceCommand};

/// Serial consoles of guests: attach to one, take it over, watch it, read its history.
#[derive(Debug, Parser)]
#[command(name = "vuart", version, after_help = exit::TABLE, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands. Each variant is described where its arguments are.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    Attach(AttachArgs),
    Log(LogArgs),
    List(ListArgs),
    Who(WhoArgs),
    Send(SendArgs),
    Kick(KickArgs),
    Trace(TraceArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
