//! The demo on a terminal: the guest runs, and the terminal attaches to its console through a socket, like any other client.

use std::io::{Write as _, stderr, stdin};
use std::os::fd::AsFd as _;

use rustix::io::Errno;
use vuart::endpoint::{Cause, End, Mode, Refused};
use vuart::scrollback::Position;
use vuart::wire::{Client, ClientError, RuntimeDir};
use vuart_vmm::ServedMachine;

use super::guest::{Demo, Woken, finish, wait_for};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{self, Outcome, Session, Wording};
use crate::signals::{Signal, Signals};
use crate::time::with_age;
use crate::user;

/// The words for a session whose end stops the guest.
const WORDING: Wording = Wording { detach: "detach, and stop the guest", stopped: "the guest is stopped" };

/// The word that takes the console back.
const TAKE: &str = "take";

/// Boots the guest and attaches the terminal, until the guest halts, the user detaches, or a signal arrives.
pub(super) fn run(demo: &mut Demo<'_>, mut signals: Signals) -> Result<Exit, Error> {
    let dir = RuntimeDir::create(RuntimeDir::default_path())?;
    let guest = demo.boot(&dir, |port| port)?;
    // A failure of standard error can't be reported anywhere.
    let _ = stderr().write_all(demo.directions(&guest).as_bytes());
    let (mut mode, mut replay) = (Mode::Exclusive, Position::Boot);
    let (signal, note) = loop {
        let (visit, next) = attend(&guest, mode, replay, &mut signals)?;
        match visit {
            Visit::Over => break (None, None),
            Visit::Signal(signal) => break (Some(signal), None),
            Visit::HeldByAnother => match stand_by(&guest, &mut signals)? {
                Woken::Typed => {
                    (mode, replay) = (Mode::TakeOver, next.map_or(Position::Boot, Position::Offset));
                }
                Woken::Over => break (None, Some("the guest has ended".to_owned())),
                Woken::Signal(signal) => {
                    break (Some(signal), Some(format!("{signal}: the guest is stopped")));
                }
            },
        }
    };
    finish(guest)?;
    if let Some(note) = note {
        let _ = writeln!(stderr(), "[vuart: {note}]");
    }
    Ok(signal.map_or(Exit::DONE, Exit::signal))
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
            let _ = writeln!(stderr(), "[vuart: {holder} holds the console since {}]", with_age(since));
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
    let outcome = session.run();
    let next = session.next_offset();
    let mut signal = None;
    let (notes, visit) = match outcome {
        Err(error) => (vec![], Err(error)),
        Ok(Outcome::Signal(caught)) => {
            signal = Some(caught);
            (vec![], Ok(Visit::Over))
        }
        Ok(Outcome::Detached { .. } | Outcome::OutputClosed) => {
            (vec!["detached; the guest is stopped".to_owned()], Ok(Visit::Over))
        }
        Ok(Outcome::Ended(End { cause: Cause::Evicted { by }, at })) => {
            (vec![format!("{by} took the console over at {at}"), stand_by_hint()], Ok(Visit::HeldByAnother))
        }
        Ok(Outcome::Ended(_)) => (vec!["the guest has ended".to_owned()], Ok(Visit::Over)),
    };
    let visit = session.close(&notes, signal)?.map_or(visit, |signal| Ok(Visit::Signal(signal)))?;
    Ok((visit, Some(next)))
}

fn stand_by_hint() -> String {
    format!("the guest runs on until it halts; type {TAKE} to take it back, ^C to stop it")
}

/// Keeps serving, with the terminal in its normal mode, until the user [types](Woken::Typed) that they want the console back.
fn stand_by(guest: &ServedMachine, signals: &mut Signals) -> Result<Woken, Error> {
    let stdin = stdin();
    let mut listens = true;
    loop {
        let woken = wait_for(guest, signals, listens.then_some(stdin.as_fd()))?;
        if !matches!(woken, Woken::Typed) {
            return Ok(woken);
        }
        // The terminal delivers whole text lines. A word is required, not just any key: keys that the user meant for
        // the guest when the console was lost must not take it back.
        let mut line = [0; 256];
        match rustix::io::read(&stdin, &mut line) {
            Ok(length) if line[..length].trim_ascii() == TAKE.as_bytes() => return Ok(woken),
            Ok(1..) | Err(Errno::INTR | Errno::AGAIN) => {}
            // ^D, or the terminal has hung up.
            Ok(0) | Err(_) => listens = false,
        }
    }
}
