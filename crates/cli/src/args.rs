//! The command line: which commands there are. Each command's arguments are in its module.
//!
//! The doc comments on the argument types are the texts of `--help` and of the manual pages.

use clap::{Parser, Subcommand};

use crate::attach::AttachArgs;
use crate::completions::CompletionsArgs;
#[cfg(feature = "demo")]
use crate::demo::DemoArgs;
use crate::exit;
use crate::kick::KickArgs;
use crate::list::ListArgs;
use crate::log::LogArgs;
use crate::man::ManArgs;
use crate::send::SendArgs;
use crate::trace::TraceArgs;
use crate::who::WhoArgs;

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
