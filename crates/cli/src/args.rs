//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use vuart_endpoint::{Mode, OnLag, Replay};
use vuart_vmm::Engine;

use crate::completions::targets;
use crate::exit;

mod people;
mod send;
mod shell;

pub(crate) use people::{KickArgs, WhoArgs};
pub(crate) use send::{SendArgs, What};
pub(crate) use shell::{CompletionsArgs, ManArgs};

/// Serial consoles of guests: attach to one, take it over, watch it, read its history.
#[derive(Debug, Parser)]
#[command(name = "vuart", version, after_help = exit::TABLE, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do. Each variant is described where its arguments are.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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

/// Boot a guest and attach to its console; without a terminal, show what a console can do.
///
/// The guest is a small monitor; type `help` at its prompt. `~.` detaches and stops it. Without a terminal, a tour shows,
/// and checks, in a few steps what a console can do, and exits with 0 when all of it was as it should be.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct DemoArgs {
    /// Serve the console until the guest halts or a signal comes, for others to attach
    #[arg(long)]
    pub(crate) no_attach: bool,

    /// The console's name; the first free one of demo, demo-2, demo-3 ... unless given
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// What runs the guest
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub(crate) engine: EngineArg,

    /// Keep the console's output in this file, which must be in memory (such as in /dev/shm): it is made if it isn't there,
    /// and outlives this process in whatever way that ends. `vuart log FILE` reads it, another demo goes on with it
    #[arg(long, value_name = "FILE")]
    pub(crate) ring: Option<PathBuf>,

    /// Record what the guest does to its UART, for `vuart trace replay`; the file grows as long as the guest runs
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Append to this file who did what at the console, in JSON lines. It takes at most 16 MiB, with the older FILE.1 to FILE.3
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
}

/// What runs the guest of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// KVM where it can be used, and software elsewhere
    Auto,
    /// A virtual machine, with KVM
    Kvm,
    /// A thread that does what the guest does
    Software,
}

impl EngineArg {
    /// What was asked for, if anything was.
    pub(crate) fn requested(self) -> Option<Engine> {
        match self {
            Self::Auto => None,
            Self::Kvm => Some(Engine::Kvm),
            Self::Software => Some(Engine::Software),
        }
    }
}

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
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(targets))]
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

/// As what to attach: as the owner of a console that nobody holds, unless one of these is given.
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
    /// How to attach.
    pub(crate) fn mode(&self) -> Mode {
        match self.mode {
            ModeArgs { force: true, .. } => Mode::TakeOver,
            ModeArgs { spy: true, .. } => Mode::Spectate,
            ModeArgs { wait: true, .. } => Mode::Wait,
            _ => Mode::Exclusive,
        }
    }

    /// Where output begins.
    pub(crate) fn begin(&self) -> Replay {
        self.from.map_or(self.replay.into(), Replay::From)
    }
}

/// What if output is lost.
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

/// How much history to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplayArg(Replay);

impl From<ReplayArg> for Replay {
    fn from(argument: ReplayArg) -> Self {
        argument.0
    }
}

impl std::str::FromStr for ReplayArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self(Replay::All)),
            "none" => Ok(Self(Replay::None)),
            "boot" => Ok(Self(Replay::Boot)),
            _ => match (text.strip_suffix('l').map(str::parse), text.parse()) {
                (Some(Ok(lines)), _) => Ok(Self(Replay::Lines(lines))),
                (_, Ok(bytes)) => Ok(Self(Replay::Last(bytes))),
                _ => {
                    Err("neither a number of bytes, nor one of lines as in 20l, nor 'boot', 'all' or 'none'")
                }
            },
        }
    }
}

/// Write what a guest has written, by offset, to standard output.
///
/// The bytes are as the guest wrote them, and each has an offset, counted from the first. Reading takes nothing away. Where
/// bytes are gone from the history, standard error says which. A terminal is spared what would make it answer or change more
/// than its screen, unless `--raw` is given.
///
/// With --follow it goes on with what the guest writes, as a spectator, until a signal comes (exit status 130 after ^C, as of `tail -f`) or
/// the guest's end.
///
/// With the path of a file (with a slash in it) that a console's ring lives in, it needs no server: it reads what a VMM has
/// left that was killed, or what a live one has written so far. `/proc/PID/fd/N` is such a path as well, for a ring in a memfd.
/// Nothing tells of new output there: --follow looks five times a second, and ends by a signal alone.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct LogArgs {
    /// The console's name, the path of its control socket, or of a file that its ring lives in (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(targets))]
    pub(crate) target: OsString,

    #[command(flatten)]
    begin: BeginArgs,

    /// Go on with what the guest writes from now on
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// For programs: one object in each line, with the offset, for a line of the guest's, a hole, or the end; see docs/log-json.md
    #[arg(long)]
    pub(crate) json: bool,

    /// Write no more than this many bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) max: Option<u64>,

    /// Write every byte to a terminal as well; what is no terminal gets them all anyway
    #[arg(long)]
    pub(crate) raw: bool,

    /// Say the offset to go on from, on standard error, also when that is no terminal
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Where a log begins: with the oldest byte that is kept, unless one of these is given.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct BeginArgs {
    /// Begin at this offset; with the oldest byte that is kept unless given
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,

    /// Begin this many bytes before the end
    #[arg(long, value_name = "BYTES")]
    last: Option<u64>,

    /// Begin this many lines before the end; what follows the last line's end is one, too
    #[arg(long, short = 'n', value_name = "COUNT")]
    lines: Option<u64>,

    /// Begin where the guest has booted last
    #[arg(long)]
    boot: bool,
}

impl LogArgs {
    /// Where to begin.
    pub(crate) fn begin(&self) -> Replay {
        match self.begin {
            BeginArgs { from: Some(offset), .. } => Replay::From(offset),
            BeginArgs { last: Some(bytes), .. } => Replay::Last(bytes),
            BeginArgs { lines: Some(lines), .. } => Replay::Lines(lines),
            BeginArgs { boot: true, .. } => Replay::Boot,
            _ => Replay::All,
        }
    }
}

/// List the consoles of this user: who holds them, since when, how many wait and watch, how much their guests have written.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct ListArgs {
    /// For programs: an array with one object for each console
    #[arg(long)]
    pub(crate) json: bool,
}

/// Replay register traces: what a guest and its host did to a UART, as text.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct TraceArgs {
    #[command(subcommand)]
    pub(crate) command: TraceCommand,
}

/// What to do with traces.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    Replay(ReplayArgs),
}

/// Do what traces say to a UART, and compare its answers with those expected.
///
/// Each answer that differs is a line on standard output, `FILE:LINE: r 5: expected 61, got 60`. The exit status is 0 when
/// there is none, 1 when there are some, and 2 when a file can't be read or is not a trace, which standard error explains.
#[derive(Debug, Args)]
#[command(max_term_width = 100, after_help = vuart_trace::FORMAT)]
pub(crate) struct ReplayArgs {
    /// Write the trace, with the UART's answers in the place of those expected, instead of comparing; takes one FILE
    #[arg(long)]
    pub(crate) fill: bool,

    /// The traces; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn replay_is_a_number_or_a_word() {
        let replay = |text: &str| text.parse::<ReplayArg>().map(Replay::from);
        assert_eq!(replay("all"), Ok(Replay::All));
        assert_eq!(replay("none"), Ok(Replay::None));
        assert_eq!(replay("boot"), Ok(Replay::Boot));
        assert_eq!(replay("4096"), Ok(Replay::Last(4096)));
        assert_eq!(replay("20l"), Ok(Replay::Lines(20)));
        for none in ["-1", "some", "", "l", "-1l", "20L", "20ll"] {
            assert!(replay(none).is_err(), "{none}");
        }
    }
}
