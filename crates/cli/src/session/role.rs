//! The role of a session: owner, spectator, or in the queue of those who wait to own the console.
//!
//! The server decides about the role. This module decides what follows for the user. It does no input or output: each method
//! returns an [`Effect`] for the session to carry out.

use vuart_endpoint::{Cause, Change, End, Epoch, Mode, Refused, SessionId, Standing};
use vuart_wire::Attached;

/// What the session has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// Show a note.
    Note(String),
    /// Accept the ownership of this epoch, and show a note. From here on input is for the guest.
    Own {
        /// The epoch of the ownership.
        epoch: Epoch,
        /// The note.
        note: &'static str,
    },
    /// Ask the server to end this session. A new one follows on the same connection.
    Detach,
    /// Attach again on the same connection, in this mode, after a note.
    Attach(Mode, Option<String>),
    /// End the session.
    End(End),
}

/// A session that is being replaced by a new one on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// The new session takes the console over.
    TakeOver,
    /// The take-over was refused: the new session returns to the former role.
    Back(Mode),
}

/// The role, as far as the server has said.
#[derive(Debug)]
pub(super) struct Role {
    /// The session's number, while there is a session.
    session: Option<SessionId>,
    standing: Standing,
    switch: Option<Switch>,
    /// Whether the user has been told that typing goes nowhere.
    told: bool,
}

impl Role {
    /// The role of a session that has just attached.
    pub(super) fn new(attached: &Attached) -> Self {
        Self { session: Some(attached.session), standing: standing(attached), switch: None, told: false }
    }

    /// The role of a session that only reads the rest of the output.
    pub(super) fn spectator() -> Self {
        Self { session: None, standing: Standing::Spectator, switch: None, told: false }
    }

    /// The session's number, while there is a session.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Whether the session owns the console.
    pub(super) fn is_owner(&self) -> bool {
        matches!(self.standing, Standing::Owner { .. })
    }

    /// Whether the session may come to own the console without a further request.
    pub(super) fn may_type(&self) -> bool {
        matches!(self.standing, Standing::Owner { .. } | Standing::Waiting { .. })
    }

    /// Whether the session is being replaced by another on the same connection.
    pub(super) fn is_switching(&self) -> bool {
        self.switch.is_some()
    }

    /// The standing.
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// The server has changed the role.
    pub(super) fn changed(&mut self, change: Change, interactive: bool) -> Effect {
        let before = std::mem::replace(&mut self.standing, change.standing);
        match (before, change.standing, change.evicted) {
            (Standing::Owner { .. }, Standing::Owner { epoch }, _) => {
                Effect::Own { epoch, note: "the console is yours again" }
            }
            (_, Standing::Owner { epoch }, _) => Effect::Own { epoch, note: "the console is yours now" },
            // A script can't continue: it is unknown how much of its input was taken.
            (Standing::Owner { .. }, _, Some(by)) if !interactive => {
                Effect::End(End { cause: Cause::Evicted { by: by.by }, at: by.at })
            }
            (Standing::Owner { .. }, now, Some(by)) => {
                let back = match now {
                    Standing::Waiting { .. } => "it is yours again when they leave, or at once with ~R",
                    _ => "you watch on; ~R takes it back",
                };
                self.told = false;
                Effect::Note(format!("{} took the console over at {}; {back}", by.by, by.at))
            }
            (Standing::Waiting { ahead: before }, Standing::Waiting { ahead }, _) if before != ahead => {
                Effect::Note(place(ahead))
            }
            _ => Effect::Nothing,
        }
    }

    /// The user has typed while the session is not the owner. The note is shown once.
    pub(super) fn typed_in_vain(&mut self) -> Effect {
        if std::mem::replace(&mut self.told, true) {
            Effect::Nothing
        } else {
            Effect::Note("you are watching: what you type goes nowhere; ~. detaches".to_owned())
        }
    }

    /// Why nothing that is typed goes to the guest, if the session is not the owner.
    pub(super) fn why_not(&self) -> &'static str {
        match (self.session, self.standing) {
            (None, _) => "there is no connection",
            (_, Standing::Waiting { .. }) => "you are waiting",
            _ => "you are watching",
        }
    }

    /// The user wants to take the console over (`~R`).
    pub(super) fn take_over(&mut self) -> Effect {
        if self.is_owner() {
            Effect::Note("the console is yours already".to_owned())
        } else if self.switch.is_none() {
            // To the server and to other users these are two sessions: the first ends, then the second begins.
            self.switch = Some(Switch::TakeOver);
            Effect::Detach
        } else {
            Effect::Nothing
        }
    }

    /// The old session has ended, and the new one can attach.
    pub(super) fn detached(&self) -> Effect {
        match self.switch {
            Some(Switch::Back(mode)) => Effect::Attach(mode, None),
            _ => Effect::Attach(Mode::TakeOver, None),
        }
    }

    /// The new session has attached.
    pub(super) fn attached(&mut self, attached: &Attached) -> Effect {
        self.switch = None;
        self.session = Some(attached.session);
        self.standing = standing(attached);
        match (&attached.evicted, attached.owner) {
            (Some(evicted), _) => Effect::Note(format!("the console is yours, taken over from {evicted}")),
            (None, true) => Effect::Note("the console is yours".to_owned()),
            (None, false) => {
                self.told = false;
                Effect::Nothing
            }
        }
    }

    /// The server has refused the new session.
    ///
    /// # Errors
    ///
    /// The refusal, if it ends the session.
    pub(super) fn refused(&mut self, refused: Refused) -> Result<Effect, Refused> {
        if (self.switch, &refused) != (Some(Switch::TakeOver), &Refused::Forbidden) {
            return Err(refused);
        }
        let mode = match self.standing {
            Standing::Waiting { .. } => Mode::Wait,
            _ => Mode::Spectate,
        };
        self.switch = Some(Switch::Back(mode));
        Ok(Effect::Attach(mode, Some(refused.to_string())))
    }

    /// The connection is lost. Until a server is found, the session is a spectator, and typing is ignored silently.
    ///
    /// Returns the mode in which the session attaches again. It never takes the console over.
    pub(super) fn disconnected(&mut self) -> Mode {
        let mode = match self.standing {
            Standing::Owner { .. } => Mode::Exclusive,
            Standing::Waiting { .. } => Mode::Wait,
            _ => Mode::Spectate,
        };
        *self = Self { told: true, ..Self::spectator() };
        mode
    }
}

/// The standing of a session that has just attached.
fn standing(attached: &Attached) -> Standing {
    match (attached.owner, attached.ahead) {
        (true, _) => Standing::Owner { epoch: attached.epoch.unwrap_or_default() },
        (false, Some(ahead)) => Standing::Waiting { ahead },
        (false, None) => Standing::Spectator,
    }
}

/// The place in the queue, in words for the user.
pub(crate) fn place(ahead: u64) -> String {
    match ahead {
        0 => "you are next in line".to_owned(),
        1 => "one is before you in line".to_owned(),
        _ => format!("{ahead} are before you in line"),
    }
}

#[cfg(test)]
mod tests {
    use vuart_endpoint::Standing::{Owner, Spectator, Waiting};

    use super::*;

    fn role(standing: Standing) -> Role {
        Role { standing, ..Role::spectator() }
    }

    #[test]
    fn an_owner_has_nothing_to_take_over() {
        let mut role = role(Owner { epoch: Epoch::default() });
        assert_eq!(role.take_over(), Effect::Note("the console is yours already".to_owned()));
        assert!(!role.is_switching());
    }

    #[test]
    fn a_take_over_detaches_once_and_attaches_again() {
        let mut role = role(Spectator);
        assert_eq!(role.take_over(), Effect::Detach);
        assert_eq!(role.take_over(), Effect::Nothing);
        assert_eq!(role.detached(), Effect::Attach(Mode::TakeOver, None));
    }

    #[test]
    fn a_forbidden_take_over_returns_to_the_former_role() {
        for (before, mode) in [(Spectator, Mode::Spectate), (Waiting { ahead: 2 }, Mode::Wait)] {
            let mut role = role(before);
            role.take_over();
            let note = Some(Refused::Forbidden.to_string());
            assert_eq!(role.refused(Refused::Forbidden), Ok(Effect::Attach(mode, note)));
            assert_eq!(role.detached(), Effect::Attach(mode, None));
            // A second refusal ends the session.
            assert_eq!(role.refused(Refused::Forbidden), Err(Refused::Forbidden));
        }
    }

    #[test]
    fn typing_in_vain_is_noted_once() {
        let mut role = role(Spectator);
        assert!(matches!(role.typed_in_vain(), Effect::Note(_)));
        assert_eq!(role.typed_in_vain(), Effect::Nothing);
    }

    #[test]
    fn a_lost_connection_is_never_followed_by_a_take_over() {
        for (before, mode) in [
            (Owner { epoch: Epoch::default() }, Mode::Exclusive),
            (Waiting { ahead: 0 }, Mode::Wait),
            (Spectator, Mode::Spectate),
        ] {
            let mut role = role(before);
            assert_eq!(role.disconnected(), mode);
            assert!(!role.may_type());
            assert_eq!(role.typed_in_vain(), Effect::Nothing);
        }
    }
}
