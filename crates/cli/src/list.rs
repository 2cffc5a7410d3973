//! `vuart list`: lists the consoles of this user, with their owners.

use std::io::{self, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use vuart_endpoint::Printable;
use vuart_wire::{Client, ClientError, RuntimeDir, RuntimeDirError, Status};

use crate::error::Error;
use crate::exit::Exit;
use crate::print::{aligned, json, print};
use crate::time::with_age;
use crate::user;

/// List the consoles of this user: who holds them, since when, how many wait and watch, how much their guests have written.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct ListArgs {
    /// For programs: an array with one object for each console
    #[arg(long)]
    json: bool,
}

/// How long a server may take to answer before it counts as unresponsive.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many servers are asked at the same time.
const AT_ONCE: usize = 32;

/// Lists the consoles.
pub(crate) fn run(args: &ListArgs) -> Result<Exit, Error> {
    let path = RuntimeDir::default_path();
    let dir = match RuntimeDir::open(&path) {
        Ok(dir) => Some(dir),
        Err(RuntimeDirError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let mut consoles = Vec::new();
    if let Some(dir) = dir {
        for name in dir.names()? {
            consoles.push((dir.control_socket(&name)?, name));
        }
    }
    let rows = ask(consoles);
    let text = if args.json {
        json(&rows, true) + "\n"
    } else if rows.is_empty() {
        // On standard error, because a script would take a line on standard output for a console.
        let path = path.to_string_lossy();
        let _ = writeln!(stderr(), "vuart: there are no consoles in {}", Printable(&path));
        return Ok(Exit::DONE);
    } else {
        table(&rows)
    };
    print(text)
}

/// The state of a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Clients can attach.
    Served,
    /// No client can attach until it is switched on again.
    Disabled,
    /// The guest has ended.
    Ended,
    /// No process listens on the socket: the server has died.
    Unserved,
    /// A process listens and does not answer.
    Unresponsive,
    /// The server can't be asked.
    #[default]
    Unknown,
}

impl State {
    /// The state in the table.
    fn in_words(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Disabled => "switched off",
            Self::Ended => "ended",
            Self::Unserved => "nobody serves it",
            Self::Unresponsive => "does not answer",
            Self::Unknown => "can't be asked",
        }
    }
}

/// The owner of a console.
#[derive(Debug, Clone, Serialize)]
struct Owner {
    label: String,
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// Since when, in RFC 3339.
    since: String,
    /// The time in the table.
    #[serde(skip)]
    since_in_words: String,
    /// The identity in the table.
    #[serde(skip)]
    in_words: String,
}

/// One console. Members that only its server knows are absent if the server does not answer.
#[derive(Debug, Clone, Default, Serialize)]
struct Row {
    name: String,
    state: State,
    /// The path of the control socket.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    /// Since when it is switched off, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<String>,
    /// How many clients are in the queue to own it.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<usize>,
    /// How many clients watch only.
    #[serde(skip_serializing_if = "Option::is_none")]
    spectators: Option<usize>,
    /// How much the guest has written: the offset of the next byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// The oldest offset that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
    /// The process ID of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
}

impl Row {
    /// The row of a console whose server does not answer.
    fn silent(name: String, path: &Path, state: State) -> Self {
        let path = in_json(path);
        Self { name, state, path, ..Self::default() }
    }

    /// The row of a console with this status.
    fn new(name: String, path: &Path, status: &Status) -> Self {
        let owner = status.sessions.iter().find(|session| session.owner).map(|session| Owner {
            label: session.identity.label().to_owned(),
            uid: session.identity.uid(),
            pid: session.identity.pid(),
            since: session.since.to_string(),
            since_in_words: with_age(session.since),
            in_words: session.identity.to_string(),
        });
        Self {
            name,
            state: match (&status.ended, status.disabled) {
                (Some(_), _) => State::Ended,
                (None, Some(_)) => State::Disabled,
                (None, None) => State::Served,
            },
            path: in_json(path),
            owner,
            disabled: status.disabled.map(|since| since.to_string()),
            waiting: Some(status.sessions.iter().filter(|session| session.waiting).count()),
            spectators: Some(
                // Sessions that the status does not list count as spectators.
                status
                    .sessions
                    .iter()
                    .filter(|session| !session.owner && !session.waiting)
                    .count()
                    .saturating_add(usize::try_from(status.more_sessions).unwrap_or(usize::MAX)),
            ),
            bytes: Some(status.end),
            oldest: Some(status.oldest),
            pid: Some(status.pid),
        }
    }
}

/// A path as a JSON string. What is not UTF-8 in it is replaced, because JSON can't express it.
fn in_json(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Asks all servers, many at the same time and each for a bounded time, so that a hanging server does not hide the others.
fn ask(consoles: Vec<(PathBuf, String)>) -> Vec<Row> {
    let mut rows: Vec<Option<Row>> = consoles
        .iter()
        .map(|(path, name)| Some(Row::silent(name.clone(), path, State::Unresponsive)))
        .collect();
    let label = user::name();
    let (answer, answers) = mpsc::channel();
    let unasked = Arc::new(Mutex::new(consoles.into_iter().enumerate()));
    // The threads are not joined, because a hanging server can block one for ever.
    for _ in 0..rows.len().min(AT_ONCE) {
        let (unasked, answer, label) = (Arc::clone(&unasked), answer.clone(), label.clone());
        let asker = move || {
            loop {
                let next = unasked.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((index, (path, name))) = next else { return };
                let status = Client::connect(&path, &label).and_then(|mut client| client.status());
                let row = match status {
                    Ok(status) => Some(Row::new(name, &path, &status)),
                    // The server has exited in the last moment, and has removed the socket.
                    Err(ClientError::NotFound { .. }) => None,
                    Err(error) => Some(Row::silent(name, &path, silence(&error))),
                };
                if answer.send((index, row)).is_err() {
                    return;
                }
            }
        };
        if thread::Builder::new().spawn(asker).is_err() {
            break;
        }
    }
    drop(answer);
    let mut deadline = Instant::now() + PATIENCE;
    while let Ok((index, row)) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        rows[index] = row;
        // More answers may come as long as some do.
        deadline = Instant::now() + PATIENCE;
    }
    rows.into_iter().flatten().collect()
}

/// The state of a console whose server does not answer.
fn silence(error: &ClientError) -> State {
    match error {
        ClientError::NotServed { .. } => State::Unserved,
        ClientError::Lost(error) if error.kind() == io::ErrorKind::TimedOut => State::Unresponsive,
        _ => State::Unknown,
    }
}

fn table(rows: &[Row]) -> String {
    let header = ["NAME", "STATE", "OWNER", "SINCE", "WAITING", "SPECTATORS", "BYTES"].map(str::to_owned);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let count = |count: Option<usize>| number(count.map(|count| count as u64));
    let lines = rows.iter().map(|row| {
        let owner = row.owner.as_ref();
        [
            row.name.clone(),
            row.state.in_words().to_owned(),
            owner.map_or_else(|| "-".to_owned(), |owner| owner.in_words.clone()),
            owner.map_or_else(|| "-".to_owned(), |owner| owner.since_in_words.clone()),
            count(row.waiting),
            count(row.spectators),
            number(row.bytes),
        ]
    });
    aligned(header, lines)
}
