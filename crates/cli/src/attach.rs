//! `vuart attach`: attaches this terminal, or pipes, to a console.

use vuart_endpoint::Cause;
use vuart_scrollback::Position;
use vuart_wire::{AttachRequest, Attached, ClientError};

use crate::args::AttachArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::invocation::{command, quoted};
use crate::session::{Destination, Options, Outcome, Session, Wording, place};
use crate::signals::Signals;
use crate::target::Target;
use crate::user;

/// The words for a session that leaves the guest running.
const WORDING: Wording = Wording { detach: "detach", stopped: "detached" };

/// Attaches, until the user detaches, another client takes over, or the guest ends.
pub(crate) fn run(args: &AttachArgs) -> Result<Exit, Error> {
    let target = Target::parse(&args.target)?;
    let label = args.label.clone().unwrap_or_else(user::name);
    let mut client = target.connect(&label)?;
    let console = client.welcome().console.clone();
    let options = Options {
        on_lag: args.on_lag.into(),
        returning: args.returning,
        verbatim: args.raw,
        ..Options::new(WORDING)
    };
    let request = AttachRequest {
        mode: args.mode(),
        replay: args.begin(),
        on_lag: options.on_lag,
        returning: options.returning,
    };
    let attached = match client.attach_with(request) {
        Err(ClientError::Refused(refused)) => return Err(Error::refused(refused, console)),
        attached => attached?,
    };
    // Signals are caught only now: until here nothing needs to be restored, and a signal ends a wait for a hanging server.
    let mut signals = Signals::catch()?;
    let mut session = Session::begin(client, &attached, &mut signals, options)?;
    session.note(&greeting(&attached, &console, session.is_interactive()));
    let argument = quoted(&target.argument().to_string_lossy());
    if session.is_interactive() && args.begin() == Position::End && attached.offset > 0 {
        session.note(&format!(
            "{} bytes of history are not shown: {} log {argument}, or attach with --replay all",
            attached.offset,
            command(),
        ));
    }
    let destination = args.reconnect.then(|| Destination { target: target.clone(), label });
    let mut signal = None;
    let (notes, exit) = match carry(&mut session, destination.as_ref()) {
        Err(error) => (vec![], Err(error)),
        Ok(Outcome::Signal(caught)) => {
            signal = Some(caught);
            (vec![], Ok(Exit::Done))
        }
        Ok(Outcome::Detached { unanswered: false }) => (vec!["detached".to_owned()], Ok(Exit::Done)),
        Ok(Outcome::Detached { unanswered: true }) => {
            (vec!["detached; the guest has not taken all that was typed".to_owned()], Ok(Exit::Done))
        }
        Ok(Outcome::OutputClosed) => (vec![], Ok(Exit::Done)),
        Ok(Outcome::Ended(end)) => match end.cause {
            Cause::Evicted { by } => (
                vec![
                    format!("{by} took the console over at {}", end.at),
                    format!("to take it back: {} attach {argument} --force", command()),
                ],
                Ok(Exit::Evicted),
            ),
            Cause::VmEnded => (vec!["the guest has ended".to_owned()], Ok(Exit::Done)),
            Cause::ShutDown => (vec![], Err(Error::ShutDown { console })),
            _ => (vec![end.to_string()], Ok(Exit::of_cause(&end.cause))),
        },
    };
    session.close(&notes, signal)?.map_or(exit, |signal| Ok(Exit::Signal(signal)))
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
fn greeting(attached: &Attached, console: &str, interactive: bool) -> String {
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
        (true, _) => "~. detaches, ~? helps",
        (false, true) => "the end of the input detaches",
        (false, false) => "a signal detaches",
    };
    format!("{place}; {leave}")
}
