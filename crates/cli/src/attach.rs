//! `vuart attach`: attaches this terminal, or pipes, to a console.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _, stderr, stdin};
use std::thread::sleep;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use vuart_endpoint::{Cause, Mode, OnLag};
use vuart_scrollback::Position;
use vuart_wire::{AttachRequest, Attached, Client, ClientError};

use crate::begin::BeginArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::{command, quoted};
use crate::number::counted;
use crate::pace::Pace;
use crate::session::{Destination, Options, Outcome, Pauses, Session, Wording, may_pass, place};
use crate::signals::Signals;
use crate::target::{Target, candidates};
use crate::terminal::keys::Keys;
use crate::tty::raw_mode;
use crate::user;

/// Attach this terminal, or pipes, to a console.
///
/// One client owns a console and types; while somebody does, attaching is refused, and says who it is. On a terminal,
/// at the start of a line, `~.` detaches, `~B` sends a break, `~S` a break and the key that follows, `~R` takes the console over,
/// `~W` says who is here, `~^Z` suspends, `~?` lists these; `^]` detaches anywhere. What is pasted is text, whatever it contains.
/// From a pipe every byte goes to the guest as it is, and the end of the input detaches when the guest has taken all of it and then
/// has written nothing for 0.2 s, or after 2 s; what the guest writes after that is in `vuart log`.
///
/// On standard output, a terminal is shown what the guest writes but for sequences that would make it answer, or change more than its
/// screen. A file gets every byte. A pipe or a socket gets plain text, because what reads from it as a rule shows it on a terminal.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct AttachArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    target: OsString,

    #[command(flatten)]
    mode: ModeArgs,

    #[command(flatten)]
    begin: BeginArgs,

    /// What if this side reads so slowly that output is lost: say how much and go on; go on; or leave (exit status 8)
    #[arg(long, value_enum, default_value_t = OnLagArg::Note)]
    on_lag: OnLagArg,

    /// Wait for a console that is not there yet. When the connection is lost, try until there is a server again, and go on where
    /// the output stopped. It never takes the console over: if somebody holds it that was yours, you wait in line. Whoever was evicted
    /// or kicked is not brought back
    #[arg(long)]
    reconnect: bool,

    /// After an eviction that leaves you watching (the console's VMM decides that), have the console back when they leave
    #[arg(long = "return", conflicts_with = "spy")]
    returning: bool,

    /// What to call yourself to others; your login name unless given
    #[arg(long)]
    label: Option<String>,

    /// Write every byte that the guest writes, to a terminal or a pipe as well, also what makes a terminal answer, which types into
    /// the guest or your shell, or what changes more than its screen
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    escape: EscapeArgs,

    /// Send what is typed, pasted or piped slowly, for a guest whose software loses what comes fast: so many characters a second,
    /// or each line when the echo of the line before has come, or has not come for 2 s
    #[arg(long, value_name = "CPS|echo", value_parser = Pace::parse, allow_negative_numbers = true)]
    pace: Option<Pace>,
}

/// The keys that begin an escape.
#[derive(Debug, Args)]
pub(crate) struct EscapeArgs {
    /// The key that begins an escape at the start of a line, in place of `~`: a character, or a control character spelled as in
    /// ^A. It is then the only one: `^]` goes to the guest. The choice ^] leaves only `^]`, which detaches anywhere; none leaves
    /// no escape
    #[arg(
        long,
        value_name = "CHAR|none",
        env = "VUART_ESCAPE",
        hide_env_values = true,
        default_value = "~",
        value_parser = Keys::parse
    )]
    pub(crate) escape: Keys,
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

    /// Where the output begins: with what the guest writes from now on, unless an option says otherwise.
    pub(crate) fn begin(&self) -> Position {
        self.begin.position().unwrap_or(Position::End)
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

/// The words for a session that leaves the guest running.
const WORDING: Wording = Wording { detach: "detach", stopped: "detached" };

/// Attaches, until the user detaches, another client takes over, or the guest ends.
pub(crate) fn run(args: &AttachArgs) -> Result<Exit, Error> {
    let target = Target::parse(&args.target)?;
    // A job in the background stops here. So it neither holds the console nor a connection while it is stopped.
    if stdin().is_terminal() {
        raw_mode::wait_for_foreground().map_err(Error::Terminal)?;
    }
    let label = args.label.clone().unwrap_or_else(user::name);
    let client = match target.connect(&label) {
        Err(error) if args.reconnect && may_pass(&error) => wait_for_console(&target, &label, &error)?,
        client => client?,
    };
    let console = client.welcome().console.to_string();
    let options = Options {
        on_lag: args.on_lag.into(),
        returning: args.returning,
        verbatim: args.raw,
        keys: args.escape.escape,
        pace: args.pace,
        ..Options::new(WORDING)
    };
    let request = AttachRequest {
        mode: args.mode(),
        replay: args.begin(),
        on_lag: options.on_lag,
        returning: options.returning,
    };
    // Signals are caught only now: until here nothing needs to be restored, and a signal ends a wait for a hanging server.
    let mut signals =
        Signals::catch().map_err(|source| Error::Host { operation: "catch signals", source })?;
    let mut session = Session::begin(client, &mut signals, options)?;
    let argument = quoted(&target.argument().to_string_lossy());
    let outcome = match session.attach(request) {
        Ok(Ok(attached)) => {
            session.note(&greeting(&attached, &console, session.is_interactive(), options.keys));
            if session.is_interactive() && args.begin() == Position::End && attached.offset > 0 {
                session.note(&not_shown(&attached, &argument));
            }
            let destination = args.reconnect.then(|| Destination { target: target.clone(), label });
            carry(&mut session, destination.as_ref())
        }
        Ok(Err(outcome)) => Ok(outcome),
        Err(Error::Client(ClientError::Refused(refused))) => return Err(Error::refused(refused, console)),
        Err(error) => return Err(error),
    };
    let mut signal = None;
    let (notes, exit) = match outcome {
        Err(error) => (vec![], Err(error)),
        Ok(Outcome::Signal(caught)) => {
            signal = Some(caught);
            (vec![], Ok(Exit::DONE))
        }
        Ok(Outcome::Detached { unanswered: false }) => (vec!["detached".to_owned()], Ok(Exit::DONE)),
        Ok(Outcome::Detached { unanswered: true }) => {
            (vec!["detached; the guest has not taken all that was typed".to_owned()], Ok(Exit::DONE))
        }
        Ok(Outcome::OutputClosed) => (vec![], Ok(Exit::DONE)),
        Ok(Outcome::Ended(end)) => match end.cause {
            Cause::Evicted { by } => (
                vec![
                    format!("{by} took the console over at {}", end.at),
                    format!("to take it back: {} attach {argument} --force", command()),
                ],
                Ok(Exit::EVICTED),
            ),
            Cause::VmEnded => (vec!["the guest has ended".to_owned()], Ok(Exit::DONE)),
            Cause::ShutDown => (vec![], Err(Error::ShutDown { console })),
            _ => (vec![end.to_string()], Ok(Exit::of_cause(&end.cause))),
        },
    };
    session.close(&notes, signal)?.map_or(exit, |signal| Ok(Exit::signal(signal)))
}

/// The note about the history that a session begins after.
fn not_shown(attached: &Attached, argument: &str) -> String {
    let history = counted(attached.offset, "byte of history is", "bytes of history are");
    // Whoever owns the console can have the guest draw it again.
    let parts =
        if attached.owner { "" } else { ", so a full-screen program appears in parts until it draws anew" };
    format!("{history} not shown{parts}: {} log {argument}, or attach with --replay all", command())
}

/// Waits for a console that is not there yet, as long as the reason may pass. A signal ends the wait as it ends any program: nothing
/// needs to be restored yet.
fn wait_for_console(target: &Target, label: &str, reason: &Error) -> Result<Client, Error> {
    let reason = match reason {
        Error::NoSuchConsole { name, .. } => format!("there is no console {name:?} yet"),
        reason => reason.line(),
    };
    // A failure of standard error can't be reported anywhere.
    let terminal = stdin().is_terminal();
    let leave = if terminal { "; ^C ends that" } else { "" };
    let _ = writeln!(stderr(), "[vuart: {reason}: waiting for it{leave}]");
    let mut pauses = Pauses::new();
    loop {
        sleep(pauses.next());
        match target.connect(label) {
            Err(error) if may_pass(&error) => {}
            client => {
                // It was typed for nobody, as in the time without a server later on.
                if terminal && client.is_ok() {
                    raw_mode::discard_typed();
                }
                return client;
            }
        }
    }
}

/// Carries bytes until the session ends. With a destination, the session survives a lost connection.
fn carry(session: &mut Session<'_>, destination: Option<&Destination>) -> Result<Outcome, Error> {
    loop {
        let outcome = session.run();
        match destination {
            Some(destination) if session.was_lost(&outcome) => {
                if let Some(outcome) = session.reconnect(destination)? {
                    return Ok(outcome);
                }
            }
            _ => return outcome,
        }
    }
}

/// The first note of a session: its role, and how to leave.
fn greeting(attached: &Attached, console: &str, interactive: bool, keys: Keys) -> String {
    let place = match (&attached.evicted, &attached.held_by) {
        (Some(evicted), _) => format!("attached to {console} as owner, taken over from {evicted}"),
        _ if attached.owner => format!("attached to {console} as owner"),
        (None, Some(holder)) if attached.ahead.is_some() => {
            let ahead = attached.ahead.unwrap_or_default();
            format!("waiting for {console}, which {holder} holds: {}", place(ahead))
        }
        (None, Some(holder)) => format!("watching {console}, which {holder} holds"),
        (None, None) => format!("watching {console}, which nobody holds"),
    };
    let leave = match (interactive, attached.owner || attached.ahead.is_some()) {
        (true, _) => keys.how_to_leave("detaches"),
        (false, true) => "the end of the input detaches".to_owned(),
        (false, false) => "a signal detaches".to_owned(),
    };
    format!("{place}; {leave}")
}
