//! The demo on a terminal: the guest runs, and this terminal is attached to its console through a socket, as any other
//! client is.

use std::io::{Write as _, stderr, stdin};
use std::os::fd::AsFd as _;

use rustix::event::PollFlags;
use rustix::io::Errno;
use vuart::endpoint::{Cause, End, Mode, Refused, Replay};
use vuart::wire::{Client, ClientError, RuntimeDir};
use vuart_vmm::ServedMachine;

use super::finish;
use super::recording::Recording;
use super::wanted::Wanted;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Outcome, Session, Texts};
use crate::signals::{Pending, Signal, Signals};
use crate::user;
use crate::wait::wait;

/// What the session is to its user.
const TEXTS: Texts = Texts { detach: "detach, and stop the guest", stopped: "the guest is stopped" };

/// What takes the console back.
const TAKE: &str = "take";

/// Boots the guest and attaches the terminal, until the guest halts, somebody detaches, or a signal comes.
pub(super) fn run(
    wanted: &Wanted<'_>,
    mut signals: Signals,
    recording: &mut Recording,
) -> Result<Exit, Error> {
    let dir = RuntimeDir::create(RuntimeDir::default_path())?;
    let guest = recording.boot(wanted, wanted.claim(&dir)?, |port| port)?;
    // Nobody can be told that standard error fails.
    let _ = stderr().write_all(wanted.directions(&guest).as_bytes());
    let (mut mode, mut replay) = (Mode::Exclusive, Replay::Boot);
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
                    (mode, replay) = (Mode::TakeOver, next.map_or(Replay::Boot, Replay::From));
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

/// How the terminal's time at the console has ended.
enum Visit {
    /// The guest has halted, or whoever types has detached and the guest is to be stopped.
    Over,
    /// Somebody else holds the console: the guest is theirs, and must not be stopped under them.
    HeldByAnother,
    Signal(Signal),
}

/// Attaches the terminal once. Also says where its output was cut off.
fn attend(
    guest: &ServedMachine,
    mode: Mode,
    replay: Replay,
    signals: &mut Signals,
) -> Result<(Visit, Option<u64>), Error> {
    let mut client = Client::connect(guest.control_socket(), &user::name())?;
    let attached = match client.attach(mode, replay) {
        Ok(attached) => attached,
        // Before us, or in the moment since.
        Err(ClientError::Refused(Refused::Held { holder, since })) => {
            let _ = writeln!(stderr(), "[vuart: {holder} holds the console since {since}]");
            let _ = writeln!(stderr(), "[vuart: {}]", stand_by_hint());
            return Ok((Visit::HeldByAnother, None));
        }
        Err(ClientError::Refused(Refused::Ended { .. })) => return Ok((Visit::Over, None)),
        Err(error) => return Err(error.into()),
    };
    let mut session = Session::begin(client, &attached, signals, TEXTS, false)?;
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
    let next = session.next();
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

/// What ends the time in which somebody else holds the console.
enum StandBy {
    TakeBack,
    /// The guest is over.
    Over,
    Signal(Signal),
}

/// Serves on, with the terminal as it was before.
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
            // The terminal hands over one line at a time. A whole word, and not any key: what was meant for the guest
            // when the console was lost must not take it back.
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
