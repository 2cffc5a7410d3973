//! The demo on a terminal: the guest runs, and the terminal attaches to its console through a socket, like any other client.

use std::io::{Write as _, stderr, stdin};
use std::os::fd::AsFd as _;

use rustix::event::PollFlags;
use rustix::io::Errno;
use vuart::endpoint::{Cause, End, Mode, Refused};
use vuart::scrollback::Position;
use vuart::wire::{Client, ClientError, RuntimeDir};
use vuart_vmm::ServedMachine;

use super::guest::{Recorders, finish};
use super::options::Options;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{self, Outcome, Session, Wording};
use crate::signals::{Pending, Signal, Signals};
use crate::user;
use crate::wait::wait;

/// The words for a session whose end stops the guest.
const WORDING: Wording = Wording { detach: "detach, and stop the guest", stopped: "the guest is stopped" };

/// The word that takes the console back.
const TAKE: &str = "take";

/// Boots the guest and attaches the terminal, until the guest halts, the user detaches, or a signal arrives.
pub(super) fn run(
    options: &Options<'_>,
    mut signals: Signals,
    recorders: &mut Recorders,
) -> Result<Exit, Error> {
    let dir = RuntimeDir::create(RuntimeDir::default_path())?;
    let guest = recorders.boot(options, options.claim(&dir)?, |port| port)?;
    // A failure of standard error can't be reported anywhere.
    let _ = stderr().write_all(options.directions(&guest).as_bytes());
    let (mut mode, mut replay) = (Mode::Exclusive, Position::Boot);
    loop {
        let (visit, next) = attend(&guest, mode, replay, &mut signals)?;
        match visit {
            Visit::Over => {
                finish(guest)?;
                return Ok(Exit::Done);
            }
            Visit::Signal(signal) => {
                finish(guest)?;
                return Ok(Exit::Signal(signal));
            }
            Visit::HeldByAnother => match stand_by(&guest, &mut signals)? {
                StandBy::TakeBack => {
                    (mode, replay) = (Mode::TakeOver, next.map_or(Position::Boot, Position::Offset));
                }
                StandBy::Over => {
                    finish(guest)?;
                    let _ = writeln!(stderr(), "[vuart: the guest has ended]");
                    return Ok(Exit::Done);
                }
                StandBy::Signal(signal) => {
                    finish(guest)?;
                    let _ = writeln!(stderr(), "[vuart: {signal}: the guest is stopped]");
                    return Ok(Exit::Signal(signal));
                }
            },
        }
    }
}

/// How one session of the terminal has ended.
enum Visit {
    /// The guest has halted, or the user has detached and the guest is to be stopped.
    Over,
    /// Another client holds the console. The guest must not be stopped while that client uses it.
    HeldByAnother,
    /// A signal asks to leave.
    Signal(Signal),
}

/// Attaches the terminal once. The second result is the offset at which its output stopped.
fn attend(
    guest: &ServedMachine,
    mode: Mode,
    replay: Position,
    signals: &mut Signals,
) -> Result<(Visit, Option<u64>), Error> {
    let mut client = Client::connect(guest.control_socket(), &user::name())?;
    let attached = match client.attach(mode, replay) {
        Ok(attached) => attached,
        // Another client attached first, or took the console in the moment since.
        Err(ClientError::Refused(Refused::Held { holder, since })) => {
            let _ = writeln!(stderr(), "[vuart: {holder} holds the console since {since}]");
            let _ = writeln!(stderr(), "[vuart: {}]", stand_by_hint());
            return Ok((Visit::HeldByAnother, None));
        }
        Err(ClientError::Refused(Refused::Ended { .. })) => return Ok((Visit::Over, None)),
        Err(error) => return Err(error.into()),
    };
    let mut session = Session::begin(client, &attached, signals, session::Options::new(WORDING))?;
    let from = attached.evicted.as_ref().map_or(String::new(), |by| format!(", taken over from {by}"));
    session.note(&format!(
        "attached to {} as owner{from}; ~. detaches and stops the guest, ~? helps",
        guest.name()
    ));
    let outcome = match session.run() {
        Ok(outcome) => outcome,
        Err(error) => {
            let signal = session.close(&[], None)?;
            return signal.map_or(Err(error), |signal| Ok((Visit::Signal(signal), None)));
        }
    };
    let next = session.next_offset();
    let (notes, visit) = match outcome {
        Outcome::Detached { .. } | Outcome::OutputClosed => {
            (vec!["detached; the guest is stopped".to_owned()], Visit::Over)
        }
        Outcome::Signal(signal) => {
            session.close(&[], Some(signal))?;
            return Ok((Visit::Signal(signal), None));
        }
        Outcome::Ended(End { cause: Cause::Evicted { by }, at }) => {
            (vec![format!("{by} took the console over at {at}"), stand_by_hint()], Visit::HeldByAnother)
        }
        Outcome::Ended(_) => (vec!["the guest has ended".to_owned()], Visit::Over),
    };
    let signal = session.close(&notes, None)?;
    Ok((signal.map_or(visit, Visit::Signal), Some(next)))
}

fn stand_by_hint() -> String {
    format!("the guest runs on until it halts; type {TAKE} to take it back, ^C to stop it")
}

/// What ends the time in which another client holds the console.
enum StandBy {
    /// The user wants the console back.
    TakeBack,
    /// The guest has ended.
    Over,
    /// A signal asks to leave.
    Signal(Signal),
}

/// Keeps serving, with the terminal in its normal mode.
fn stand_by(guest: &ServedMachine, signals: &mut Signals) -> Result<StandBy, Error> {
    let stdin = stdin();
    let mut listens = true;
    loop {
        let [signal, over, typed] = wait(
            [
                Some((signals.as_fd(), PollFlags::IN)),
                Some((guest.as_fd(), PollFlags::IN)),
                listens.then_some((stdin.as_fd(), PollFlags::IN)),
            ],
            None,
        )
        .map_err(|source| Error::Host { operation: "wait for the guest", source })?;
        if !signal.is_empty()
            && let Pending::Leave(signal) = signals.pending()
        {
            return Ok(StandBy::Signal(signal));
        }
        if !over.is_empty() {
            return Ok(StandBy::Over);
        }
        if !typed.is_empty() {
            // The terminal delivers whole text lines. A word is required, not just any key: keys that the user meant for
            // the guest when the console was lost must not take it back.
            let mut line = [0; 256];
            match rustix::io::read(&stdin, &mut line) {
                Ok(length) if line[..length].trim_ascii() == TAKE.as_bytes() => return Ok(StandBy::TakeBack),
                Ok(1..) | Err(Errno::INTR | Errno::AGAIN) => {}
                // ^D, or the terminal has hung up.
                Ok(0) | Err(_) => listens = false,
            }
        }
    }
}
