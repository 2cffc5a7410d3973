//! The arguments of `vuart completions` and `vuart man`, which packagers use.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Write what makes a shell complete this command's arguments, the consoles' names among them.
///
/// For now: `source <(vuart completions bash)`. For always, where the shell looks for it:
/// `vuart completions bash > ~/.local/share/bash-completion/completions/vuart`
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// The shells that can be taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    /// The shell's name, as `clap_complete` spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// Write the manual: this command's page to standard output, or with DIR all pages, a file each.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct ManArgs {
    /// Where the files go, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
