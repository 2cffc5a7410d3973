//! What the VMM decides about a port's console.

use std::time::Duration;

/// What happens to an owner whose console is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Evicted {
    /// The session ends with [`Cause::Evicted`](crate::Cause::Evicted).
    #[default]
    Disconnected,
    /// The session stays as a spectator, and is told who evicted it. If it [wants the console
    /// back](crate::Attach::with_returning), it owns the console again when the new owner leaves.
    Spectates,
}

/// When the console hangs up on the guest: DCD drops for a moment, and the guest's getty gets a SIGHUP. So no person finds
/// the shell that another person has logged in to.
///
/// The guest must listen: see `docs/guests/linux.md`. Two sessions belong to the same person if user and label are the same
/// ([`Identity::is_same_person`](crate::Identity::is_same_person)). For a client of the raw socket or the pseudo-terminal the
/// label is the name of its program. So two people who use socat as one user count as one person, and a person who uses socat
/// and then `vuart attach` counts as two. A session that [yields](crate::Mode::Yield) is nobody until it types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HangUp {
    /// Never. The guest can't tell whether the console has an owner.
    #[default]
    Never,
    /// When the owner has left and not come back within the grace time (E16), and at once when another person becomes the
    /// owner.
    OnDetach {
        /// The time within which the same person may come back.
        grace: Duration,
    },
    /// When a person becomes the owner who was not the last owner (E18), by take-over or after the last owner left.
    OnTakeover,
}

/// What the VMM decides about a port's console. See [`Console::set_policy`](crate::Console::set_policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Policy {
    /// What happens to an evicted owner.
    pub evicted: Evicted,
    /// When the console hangs up on the guest.
    pub hang_up: HangUp,
    /// Whether the owner is detached when the guest drops DTR, as a modem would hang up. A Linux guest drops DTR when the last
    /// program closes the port. A guest that drops DTR within ten seconds after a hang-up of the console, or of the
    /// [VMM](crate::Console::hang_up), answers that hang-up, and the owner stays. If the guest did not listen, the ten seconds begin
    /// when it has seen the hang-up. DTR also falls when the guest is [reset](crate::GuestLines::reset). That is
    /// no hang-up: see [`detach_on_reset`](Self::detach_on_reset).
    pub detach_on_dtr: bool,
    /// Whether the owner is detached when the guest is reset while it holds DTR, as if the guest had hung up. If not, the session goes
    /// on, and sees the guest boot.
    pub detach_on_reset: bool,
    /// The time after which an owner who has typed nothing is detached, if any. Spectators may watch for any time.
    pub idle: Option<Duration>,
}

impl Policy {
    /// Sets what happens to an evicted owner.
    #[must_use]
    pub fn with_evicted(self, evicted: Evicted) -> Self {
        Self { evicted, ..self }
    }

    /// Sets when the console hangs up on the guest.
    #[must_use]
    pub fn with_hang_up(self, hang_up: HangUp) -> Self {
        Self { hang_up, ..self }
    }

    /// Detaches the owner when the guest drops DTR.
    #[must_use]
    pub fn with_detach_on_dtr(self) -> Self {
        Self { detach_on_dtr: true, ..self }
    }

    /// Detaches the owner when the guest is reset while it holds DTR.
    #[must_use]
    pub fn with_detach_on_reset(self) -> Self {
        Self { detach_on_reset: true, ..self }
    }

    /// Sets the time after which an owner who has typed nothing is detached.
    #[must_use]
    pub fn with_idle(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }
}
