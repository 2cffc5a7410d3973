//! The arguments of `vuart attach`.

use std::ffi::OsString;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use vuart_endpoint::{Mode, OnLag};
use vuart_scrollback::Position;

use crate::target::candidates;

/// Attach this terminal, or pipes, to a console.
///
/// One client owns a console and types; while somebody does, attaching is refused, and says who it is. On a terminal,
/// at the start of a line, `~.` detaches, `~B` sends a break, `~S` a break and the key that follows, `~R` takes the console over,
/// `~W` says who is here, `~^Z` suspends, `~?` lists these; `^]` detaches anywhere.
/// From a pipe every byte goes to the guest as it is, and the end of the input detaches when the guest has taken all of it;
/// what the guest writes after that is in `vuart log`.
///
/// A terminal is shown what the guest writes but for sequences that would make it answer, or change more than its screen;
/// what is no terminal gets every byte.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct AttachArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    pub(crate) target: OsString,

    #[command(flatten)]
    mode: ModeArgs,

    /// How much history to show first: a number of bytes, of lines with an l behind it (20l), since the guest has booted, all,
    /// or none
    #[arg(long, value_name = "BYTES|LINESl|boot|all|none", default_value = "none")]
    pub(crate) replay: ReplayArg,

    /// Begin at this offset of the output, as `vuart log` says it
    #[arg(long, value_name = "OFFSET", conflicts_with = "replay")]
    pub(crate) from: Option<u64>,

    /// What if this side reads so slowly that output is lost: say how much and go on; go on; or leave (exit status 8)
    #[arg(long, value_enum, default_value_t = OnLagArg::Note)]
    pub(crate) on_lag: OnLagArg,

    /// When the connection is lost, try until there is a server again, and go on where the output stopped. It never takes the
    /// console over: if somebody holds it that was yours, you wait in line. Whoever was evicted or kicked is not brought back
    #[arg(long)]
    pub(crate) reconnect: bool,

    /// After an eviction that leaves you watching (the console's VMM decides that), have the console back when they leave
    #[arg(long = "return", conflicts_with = "spy")]
    pub(crate) returning: bool,

    /// What to call yourself to others; your login name unless given
    #[arg(long)]
    pub(crate) label: Option<String>,

    /// Show a terminal every byte that the guest writes, also what makes it answer, which types into the guest, or what
    /// changes more than its screen
    #[arg(long)]
    pub(crate) raw: bool,
}

/// The flags for the attach mode. Without one, the session owns a console that is free.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ModeArgs {
    /// Take the console over from whoever holds it; they are told by whom
    #[arg(long)]
    force: bool,

    /// Watch only: nothing that is typed goes to the guest, and nobody is disturbed
    #[arg(long)]
    spy: bool,

    /// Watch until it is your turn to own the console; others may be in line before you. Input from a pipe waits for that, too
    #[arg(long)]
    wait: bool,
}

impl AttachArgs {
    /// The attach mode that the flags select.
    pub(crate) fn mode(&self) -> Mode {
        match self.mode {
            ModeArgs { force: true, .. } => Mode::TakeOver,
            ModeArgs { spy: true, .. } => Mode::Spectate,
            ModeArgs { wait: true, .. } => Mode::Wait,
            _ => Mode::Exclusive,
        }
    }

    /// Where the output begins.
    pub(crate) fn begin(&self) -> Position {
        self.from.map_or(self.replay.into(), Position::Offset)
    }
}

/// What the session does when output is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLagArg {
    /// Say how much
    Note,
    /// Say nothing
    Ignore,
    /// Leave
    Disconnect,
}

impl From<OnLagArg> for OnLag {
    fn from(argument: OnLagArg) -> Self {
        match argument {
            OnLagArg::Note => Self::Note,
            OnLagArg::Ignore => Self::Ignore,
            OnLagArg::Disconnect => Self::Disconnect,
        }
    }
}

/// The value of `--replay`: how much history to show first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplayArg(Position);

impl From<ReplayArg> for Position {
    fn from(argument: ReplayArg) -> Self {
        argument.0
    }
}

impl FromStr for ReplayArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self(Position::Oldest)),
            "none" => Ok(Self(Position::End)),
            "boot" => Ok(Self(Position::Boot)),
            _ => match (text.strip_suffix('l').map(str::parse), text.parse()) {
                (Some(Ok(lines)), _) => Ok(Self(Position::NewestLines(lines))),
                (_, Ok(bytes)) => Ok(Self(Position::Newest(bytes))),
                _ => {
                    Err("neither a number of bytes, nor one of lines as in 20l, nor 'boot', 'all' or 'none'")
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_is_a_number_or_a_word() {
        let replay = |text: &str| text.parse::<ReplayArg>().map(Position::from);
        assert_eq!(replay("all"), Ok(Position::Oldest));
        assert_eq!(replay("none"), Ok(Position::End));
        assert_eq!(replay("boot"), Ok(Position::Boot));
        assert_eq!(replay("4096"), Ok(Position::Newest(4096)));
        assert_eq!(replay("20l"), Ok(Position::NewestLines(20)));
        for none in ["-1", "some", "", "l", "-1l", "20L", "20ll"] {
            assert!(replay(none).is_err(), "{none}");
        }
    }
}
