//! `vuart kick`: ends somebody's session.

use std::ffi::OsString;

use clap::Args;
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use vuart_endpoint::SessionId;

use crate::error::Error;
use crate::exit::Exit;
use crate::target::{Target, candidates};
use crate::user;

/// End somebody's session. They are told by whom.
///
/// Nobody is kept from coming back by that. The server decides who may do it.
#[derive(Debug, Args)]
#[command(max_term_width = 100)]
pub(crate) struct KickArgs {
    /// The console's name, or the path of its control socket (with a slash in it)
    #[arg(value_name = "NAME|PATH", add = ArgValueCompleter::new(candidates))]
    target: OsString,

    /// The number of the session, as `vuart who` has it
    #[arg(value_name = "SESSION", value_parser = session, allow_negative_numbers = true)]
    #[arg(add = ArgValueCandidates::new(sessions))]
    session: SessionId,

    /// What to call yourself to others; your login name unless given
    #[arg(long)]
    label: Option<String>,
}

/// Parses the number of a session.
fn session(text: &str) -> Result<SessionId, &'static str> {
    text.parse().map_err(|_| "it takes the number of a session, as `vuart who` shows it")
}

/// The sessions that a shell offers: those of the console that stands on the command line.
fn sessions() -> Vec<CompletionCandidate> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let ask = |target: &OsString| Target::parse(target).ok()?.connect(&user::name()).ok()?.status().ok();
    let status = console_of(&words).and_then(ask);
    status
        .into_iter()
        .flat_map(|status| status.sessions)
        .map(|session| {
            let who = session.identity.to_string();
            CompletionCandidate::new(session.id.to_string()).help(Some(who.into()))
        })
        .collect()
}

/// The console's name or path in an incomplete command line `… kick [--label NAME] CONSOLE …`.
fn console_of(words: &[OsString]) -> Option<&OsString> {
    let mut words = words.iter().skip_while(|word| *word != "kick").skip(1);
    loop {
        match words.next()? {
            word if word == "--label" => drop(words.next()),
            word if word.as_encoded_bytes().starts_with(b"-") => {}
            word => return Some(word),
        }
    }
}

/// Asks the server to end the session. The server decides whether this user may do so.
pub(crate) fn run(args: &KickArgs) -> Result<Exit, Error> {
    let label = args.label.clone().unwrap_or_else(user::name);
    Target::parse(&args.target)?.connect(&label)?.kick(args.session)?;
    Ok(Exit::DONE)
}
