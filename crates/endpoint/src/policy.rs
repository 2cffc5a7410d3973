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

/// What happens to the guest's output when the ring is full.
///
/// With `Overwrite`, a guest is never slowed down by a client. With `Hold`, the owner of the console gets every byte from a guest that
/// honours THRE, as drivers do: for debuggers, file transfers and other protocols in which a hole is an error. The guest then runs as
/// fast as the owner reads. Spectators never slow it down, and without an owner it runs free.
///
/// ```
/// use std::time::Duration;
/// use vuart_endpoint::{OutputPolicy, Policy};
///
/// let policy = Policy::default().with_output(OutputPolicy::Hold { deadline: Duration::from_secs(5) });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OutputPolicy {
    /// The newest output overwrites the oldest. A client that is too slow has a hole, and is told so.
    #[default]
    Overwrite,
    /// The guest waits for the owner: THRE and TEMT are 0 from when the owner is three quarters of the ring behind until it has read a
    /// 64th of the ring.
    ///
    /// If the owner does not read that much within `deadline`, the guest waits no longer, and runs free until the owner has caught up to
    /// half the ring, or another session owns the console. Both are [counted](crate::Counters::output_holds_missed). A guest that
    /// writes without a look at THRE is not held: its bytes are taken, may overwrite, and are
    /// [counted](crate::Counters::output_unheeded).
    ///
    /// A thread must [service](crate::Console::service) the console, as `vuart-server` does. Without one, a guest that sleeps until the
    /// THRE interrupt is not woken at the deadline. A guest that polls goes on.
    Hold {
        /// The longest time that the guest waits: at most [`LONGEST_HOLD`](OutputPolicy::LONGEST_HOLD), because firmware waits for THRE
        /// without a limit. Some seconds are enough for a network that hiccups.
        deadline: Duration,
    },
}

impl OutputPolicy {
    /// The longest time that output is held. A longer deadline counts as this one.
    pub const LONGEST_HOLD: Duration = Duration::from_secs(3600);

    /// The deadline, if output is held.
    pub(crate) fn deadline(self) -> Option<Duration> {
        match self {
            Self::Overwrite => None,
            Self::Hold { deadline } => Some(deadline.min(Self::LONGEST_HOLD)),
        }
    }
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
    /// What happens to the guest's output when the ring is full.
    pub output: OutputPolicy,
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

    /// Sets what happens to the guest's output when the ring is full.
    #[must_use]
    pub fn with_output(self, output: OutputPolicy) -> Self {
        Self { output, ..self }
    }
}
