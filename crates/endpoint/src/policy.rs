//! What the VMM decides about a port's console.

use std::time::Duration;

/// What becomes of an owner whose console is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Evicted {
    /// Its session ends, with [`Cause::Evicted`](crate::Cause::Evicted).
    #[default]
    Disconnected,
    /// It watches on as a spectator, and is told by whom it was evicted. If it has [asked](crate::Attach::with_returning) for that, the
    /// console is its again when the taker leaves.
    Spectates,
}

/// When the guest's session is hung up: DCD drops for a moment, and the guest's getty gets a SIGHUP, so that nobody finds the
/// shell that somebody else has logged in to.
///
/// The guest must listen: see `docs/guests/linux.md`. Whoever calls a person the same person goes by user and label
/// ([`Identity::is_same_person`](crate::Identity::is_same_person)). A client of the raw socket or the pseudo-terminal has no label but
/// its program's name: two people with socat and one user are one person, and one who comes by socat and then by `vuart attach` is two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HangUp {
    /// The guest can't tell whether somebody is there.
    #[default]
    Never,
    /// When the owner has left and has not come back within the time of grace (E16), and at once when another person comes to
    /// own the console.
    OnDetach {
        /// How long the same person may take to come back.
        grace: Duration,
    },
    /// When another person comes to own the console than the one who owned it last (E18), by take-over or after it was left.
    OnTakeover,
}

/// What the VMM decides about a port's console. See [`Console::set_policy`](crate::Console::set_policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Policy {
    /// What becomes of an evicted owner.
    pub evicted: Evicted,
    /// When the guest's session is hung up.
    pub hang_up: HangUp,
    /// The owner is detached when the guest drops DTR, as a modem hangs up its line: a Linux guest does so when the last
    /// program closes the port. Not when it answers a hang-up of the console's, within ten seconds, by one of its own: whoever
    /// owns the console then has just come.
    pub detach_on_dtr: bool,
    /// An owner who has typed nothing for so long is detached. For ever unless given. Spectators may watch for ever.
    pub idle: Option<Duration>,
}

impl Policy {
    /// The same, with another fate of evicted owners.
    #[must_use]
    pub fn with_evicted(self, evicted: Evicted) -> Self {
        Self { evicted, ..self }
    }

    /// The same, with a hang-up.
    #[must_use]
    pub fn with_hang_up(self, hang_up: HangUp) -> Self {
        Self { hang_up, ..self }
    }

    /// The same, with owners detached by the guest's dropping DTR.
    #[must_use]
    pub fn with_detach_on_dtr(self) -> Self {
        Self { detach_on_dtr: true, ..self }
    }

    /// The same, with owners detached who type nothing for so long.
    #[must_use]
    pub fn with_idle(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }
}
