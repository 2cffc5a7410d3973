//! What a session becomes while it goes on: owner, spectator, one who waits in line.

use std::io::stdin;
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::PollFlags;
use vuart_endpoint::{Cause, Change, End, Mode, Refused, Replay, Standing};
use vuart_wire::{AcceptRequest, AttachRequest, Attached, ClientError, DetachRequest, Request};

use super::{Input, Outcome, Session};
use crate::error::Error;
use crate::escape::Escape;
use crate::wait::wait;

/// A session that gives itself up for another on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// To own the console, whoever does.
    TakeOver,
    /// To be again what it was, because that was refused.
    Back(Mode),
}

/// What a session is as it begins.
pub(super) fn of(attached: &Attached) -> Standing {
    match (attached.owner, attached.ahead) {
        (true, _) => Standing::Owner { epoch: attached.epoch.unwrap_or_default() },
        (false, Some(ahead)) => Standing::Waiting { ahead },
        (false, None) => Standing::Spectator,
    }
}

/// One's place in line.
pub(crate) fn place(ahead: u64) -> String {
    match ahead {
        0 => "you are next in line".to_owned(),
        1 => "one is before you in line".to_owned(),
        _ => format!("{ahead} are before you in line"),
    }
}

impl Session<'_> {
    /// The server says what the session is now.
    pub(super) fn changed(&mut self, change: Change) -> Result<Option<Outcome>, Error> {
        if matches!(change.standing, Standing::Owner { .. })
            && let Some(outcome) = self.read_what_was_typed()?
        {
            return Ok(Some(outcome));
        }
        let before = std::mem::replace(&mut self.standing, change.standing);
        match (before, change.standing, change.evicted) {
            (Standing::Owner { .. }, Standing::Owner { .. }, _) => self.own("the console is yours again"),
            (_, Standing::Owner { .. }, _) => self.own("the console is yours now"),
            // A script can't go on: nobody knows how much of what it has said was heard.
            (Standing::Owner { .. }, _, Some(by)) if !self.is_interactive() => {
                let end = End { cause: Cause::Evicted { by: by.by }, at: by.at };
                return Ok(Some(Outcome::Ended(end)));
            }
            (Standing::Owner { .. }, now, Some(by)) => {
                let back = match now {
                    Standing::Waiting { .. } => "it is yours again when they leave, or at once with ~R",
                    _ => "you watch on; ~R takes it back",
                };
                self.note(&format!("{} took the console over at {}; {back}", by.by, by.at));
                self.told = false;
            }
            (Standing::Waiting { ahead: before }, Standing::Waiting { ahead }, _) if before != ahead => {
                self.note(&place(ahead));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Reads what was typed before anybody could know that the console is theirs: it is not for the guest.
    fn read_what_was_typed(&mut self) -> Result<Option<Outcome>, Error> {
        // More than a terminal holds: whoever types for ever must not be read for ever.
        for _ in 0..8 {
            if !matches!(self.input, Input::Terminal(_)) {
                break;
            }
            let [typed] = wait([Some((stdin().as_fd(), PollFlags::IN))], Some(Duration::ZERO))
                .map_err(|source| Error::Host { operation: "wait for input", source })?;
            if typed.is_empty() {
                break;
            }
            if let Some(outcome) = self.read_input()? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// The console is ours: what is typed from here on is for the guest.
    fn own(&mut self, note: &str) {
        let Standing::Owner { epoch } = self.standing else { return };
        self.client.queue(&Request::Accept(AcceptRequest { epoch }));
        // A new line for whoever types, who has seen nothing yet of what the guest makes of it.
        if let Input::Terminal(escape) = &mut self.input {
            *escape = Escape::new();
        }
        self.note(note);
    }

    /// `~R`.
    pub(super) fn take_over(&mut self) {
        if self.is_owner() {
            self.note("the console is yours already");
        } else if self.turn.is_none() {
            // One session gives way to the other: they are two to everybody else.
            self.turn = Some(Turn::TakeOver);
            self.client.queue(&Request::Detach(DetachRequest::default()));
        }
    }

    /// The old session is over: the new one begins where it ended.
    pub(super) fn take_turn(&mut self) {
        let mode = match self.turn {
            Some(Turn::Back(mode)) => mode,
            _ => Mode::TakeOver,
        };
        self.attach_again(mode);
    }

    fn attach_again(&mut self, mode: Mode) {
        self.client.queue(&Request::Attach(AttachRequest {
            mode,
            replay: Replay::From(self.next),
            on_lag: self.wishes.on_lag,
            returning: self.wishes.returning,
        }));
    }

    /// The new session has begun.
    pub(super) fn turned(&mut self, attached: &Attached) {
        self.turn = None;
        self.standing = of(attached);
        self.window = None;
        self.tell_window();
        match (&attached.evicted, attached.owner) {
            (Some(evicted), _) => self.note(&format!("the console is yours, taken over from {evicted}")),
            (None, true) => self.note("the console is yours"),
            (None, false) => self.told = false,
        }
    }

    /// The new session has not begun.
    pub(super) fn refused(&mut self, refused: Refused) -> Result<(), Error> {
        let mode = match self.standing {
            Standing::Waiting { .. } => Mode::Wait,
            _ => Mode::Spectate,
        };
        match (self.turn, refused) {
            (Some(Turn::TakeOver), refused @ Refused::Forbidden) => {
                self.note(&refused.to_string());
                self.turn = Some(Turn::Back(mode));
                self.attach_again(mode);
                Ok(())
            }
            (_, refused) => Err(match refused {
                Refused::Ended { .. } | Refused::Disabled { .. } => {
                    Error::refused(refused, self.client.welcome().console.clone())
                }
                refused => ClientError::Refused(refused).into(),
            }),
        }
    }
}
