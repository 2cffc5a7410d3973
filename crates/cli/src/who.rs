//! `vuart who`: shows who is at a console.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Args;
use clap_complete::ArgValueCompleter;
use serde::Serialize;
use serde_json::Value;
use vuart_endpoint::{Cause, Counters, End, SessionId, SessionInfo, Warning};
use vuart_wire::Status;

use crate::error::Error;
use crate::exit::Exit;
use crate::print::{aligned, json, print};
use crate::stopped;
use crate::target::{Target, candidates};
use crate::time::with_age;
use crate::user;

/// Say who is at a console: who owns it, who waits in line, who watches, since when, and on how large a terminal.
///
/// The first column is the session's number, which `vuart kick` takes. It also says if the guest has stopped input, and how much waits.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct WhoArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    target: OsString,

    /// For programs: one object, with the console's counters
    #[arg(long)]
    json: bool,

    /// Also what has happened at the console, in numbers
    #[arg(long, short)]
    verbose: bool,
}

/// Shows the console's status, as a table or as JSON.
pub(crate) fn run(args: &WhoArgs) -> Result<Exit, Error> {
    let status = Target::parse(&args.target)?.connect(&user::name())?.status()?;
    let text = if args.json {
        json(&Answer::new(&status), true) + "\n"
    } else {
        let counters = if args.verbose { numbers(&status) } else { String::new() };
        in_words(&status, None) + &counters
    };
    print(text)
}

/// The sessions as a table, and whatever else the user must know about the console. The session `own` is marked as the user's.
pub(crate) fn in_words(status: &Status, own: Option<SessionId>) -> String {
    let mut text = String::new();
    if !status.sessions.is_empty() {
        let header = ["SESSION", "WHO", "STANDING", "SINCE", "TERMINAL"].map(str::to_owned);
        let lines = status.sessions.iter().map(|session| {
            let you = if own == Some(session.id) { " (you)" } else { "" };
            let size = session.window.map(|window| format!("{}x{}", window.columns, window.rows));
            [
                session.id.to_string(),
                format!("{}{you}", session.identity),
                standing_and_place(session),
                with_age(session.since),
                size.unwrap_or_else(|| "-".to_owned()),
            ]
        });
        text += &aligned(header, lines);
    }
    if status.more_sessions > 0 {
        let _ = writeln!(text, "and {} more", status.more_sessions);
    }
    if status.sessions.is_empty() {
        let _ = writeln!(text, "nobody is at {}", status.console);
    }
    if status.input_stopped {
        let _ = writeln!(text, "{}: {}", status.console, stopped::in_words(status.input_waiting));
    }
    if status.output_held {
        let _ = writeln!(text, "{}: the guest waits until the owner has read its output", status.console);
    }
    if let Some(since) = status.disabled {
        let _ = writeln!(text, "{} is switched off since {}", status.console, with_age(since));
    }
    if let Some(end) = &status.ended {
        let _ = writeln!(text, "{}: {end}", status.console);
    }
    for warning in &status.warnings {
        text += &in_words_of(&status.console, warning);
    }
    text
}

/// A warning about a console, as a text line.
pub(crate) fn in_words_of(console: &str, Warning { topic, since, text, .. }: &Warning) -> String {
    format!("warning: {console}: {topic}: {text} (since {})\n", with_age(*since))
}

/// The standing in the table, with the place in the queue, and whether it gives way.
fn standing_and_place(session: &SessionInfo) -> String {
    match session.ahead {
        _ if session.yields => format!("{}, yields", standing(session)),
        Some(ahead) => format!("waiting, number {}", ahead.saturating_add(1)),
        None => standing(session).to_owned(),
    }
}

/// The standing, as one word.
fn standing(session: &SessionInfo) -> &'static str {
    match (session.owner, session.waiting) {
        (true, _) => "owner",
        (false, true) => "waiting",
        (false, false) => "spectator",
    }
}

/// The counters, one in each text line, with their names on the wire.
fn numbers(status: &Status) -> String {
    let mut text = format!(
        "\n{:<19} {}\n{:<19} from offset {} on; the next offset is {}\n",
        "input_waiting", status.input_waiting, "kept", status.oldest, status.end
    );
    if let Ok(Value::Object(counters)) = serde_json::to_value(status.counters) {
        for (name, value) in counters {
            let _ = writeln!(text, "{name:<19} {value}");
        }
    }
    text
}

/// The object of `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    console: &'a str,
    /// The process ID of the server.
    pid: u32,
    sessions: Vec<Row<'a>>,
    /// How many sessions are not listed.
    more_sessions: u64,
    oldest: u64,
    end: u64,
    capacity: u64,
    input_waiting: u64,
    /// Whether the guest has stopped input.
    input_stopped: bool,
    /// Whether the guest's output waits for the owner.
    output_held: bool,
    counters: Counters,
    /// Since when the console is switched off, in RFC 3339, as all times here.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
    /// What does not work around the console.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Alert<'a>>,
}

/// A warning about a console, as a member of an object.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Alert<'a> {
    topic: &'a str,
    since: String,
    text: &'a str,
}

impl<'a> Alert<'a> {
    pub(crate) fn new(warning: &'a Warning) -> Self {
        Self { topic: &warning.topic, since: warning.since.to_string(), text: &warning.text }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    id: SessionId,
    label: &'a str,
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    standing: &'static str,
    /// How many sessions are before it in the queue, if it is in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    /// It gives way to whoever wants to own the console.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    yields: bool,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u16>,
}

#[derive(Serialize)]
struct Ended {
    #[serde(flatten)]
    cause: Cause,
    at: String,
}

impl<'a> Answer<'a> {
    fn new(status: &'a Status) -> Self {
        Self {
            console: &status.console,
            pid: status.pid,
            sessions: status.sessions.iter().map(Row::new).collect(),
            more_sessions: status.more_sessions,
            oldest: status.oldest,
            end: status.end,
            capacity: status.capacity,
            input_waiting: status.input_waiting,
            input_stopped: status.input_stopped,
            output_held: status.output_held,
            counters: status.counters,
            disabled: status.disabled.map(|since| since.to_string()),
            ended: status.ended.clone().map(|End { cause, at }| Ended { cause, at: at.to_string() }),
            warnings: status.warnings.iter().map(Alert::new).collect(),
        }
    }
}

impl<'a> Row<'a> {
    fn new(session: &'a SessionInfo) -> Self {
        Self {
            id: session.id,
            label: session.identity.label(),
            uid: session.identity.uid(),
            pid: session.identity.pid(),
            standing: standing(session),
            ahead: session.ahead,
            yields: session.yields,
            since: session.since.to_string(),
            columns: session.window.map(|window| window.columns),
            rows: session.window.map(|window| window.rows),
        }
    }
}
