//! Why and when a session ends.

use crate::identity::Identity;
use crate::timestamp::Timestamp;

/// Why a session has ended. In the serialised form, `code` is the variant's name in kebab case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::EndForm", try_from = "crate::flat::EndForm")
)]
#[non_exhaustive]
pub enum Cause {
    /// Another session took the console over.
    Evicted {
        /// The new owner.
        by: Identity,
    },
    /// The ring lapped the session, which had asked to be [disconnected](crate::OnLag::Disconnect) in that case.
    Lagged {
        /// The first offset that is lost.
        from: u64,
        /// The first offset after it that is not lost.
        to: u64,
    },
    /// The session's holder left, or lost its connection.
    Detached,
    /// A person with the right to do so ended the session.
    Kicked {
        /// That person.
        by: Identity,
    },
    /// The owner typed nothing for as long as the [policy](crate::Policy::idle) allows.
    Idle,
    /// The guest dropped DTR, and the [policy](crate::Policy::detach_on_dtr) treats that as a hang-up.
    GuestHungUp,
    /// The console was [switched off](crate::Console::disable). It may be switched on again.
    Disabled,
    /// The guest moved to another host, and its console is served there.
    Migrating,
    /// The guest ended. It will write no more output.
    VmEnded,
    /// The process that serves the console ends. The guest may go on.
    ShutDown,
    /// The VMM dropped the guest's port without [an end](crate::Console::end) that says why. There will be no more output, and
    /// nothing takes input.
    PortDropped,
    /// A cause that a later version added.
    Unknown,
}

impl Cause {
    /// The codes of all causes, in the order of the variants.
    pub const CODES: [&'static str; 12] = [
        "evicted",
        "lagged",
        "detached",
        "kicked",
        "idle",
        "guest-hung-up",
        "disabled",
        "migrating",
        "vm-ended",
        "shut-down",
        "port-dropped",
        "unknown",
    ];

    /// The stable code of this cause for programs: the variant's name in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Evicted { .. } => "evicted",
            Self::Lagged { .. } => "lagged",
            Self::Detached => "detached",
            Self::Kicked { .. } => "kicked",
            Self::Idle => "idle",
            Self::GuestHungUp => "guest-hung-up",
            Self::Disabled => "disabled",
            Self::Migrating => "migrating",
            Self::VmEnded => "vm-ended",
            Self::ShutDown => "shut-down",
            Self::PortDropped => "port-dropped",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the session gets no more output, not even what the guest wrote before the end: it was evicted, lapped or kicked. With
    /// any other cause a session gets the output up to its end.
    pub fn is_at_once(&self) -> bool {
        matches!(self, Self::Evicted { .. } | Self::Lagged { .. } | Self::Kicked { .. })
    }
}

/// The end of a session: why, and when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::EndForm", try_from = "crate::flat::EndForm")
)]
#[error("{} at {at}", describe(cause))]
pub struct End {
    /// The cause.
    pub cause: Cause,
    /// The time of the end.
    pub at: Timestamp,
}

fn describe(cause: &Cause) -> String {
    match cause {
        Cause::Evicted { by } => format!("the console was taken over by {by}"),
        Cause::Lagged { from, to } => {
            format!(
                "the output from offset {from} on, up to the next offset {to}, was lost, and the session was to lose nothing"
            )
        }
        Cause::Detached => "detached".to_owned(),
        Cause::Kicked { by } => format!("the session was ended by {by}"),
        Cause::Idle => "nothing was typed for too long".to_owned(),
        Cause::GuestHungUp => "the guest has hung up".to_owned(),
        Cause::Disabled => "the console was switched off".to_owned(),
        Cause::Migrating => "the guest has moved to another host".to_owned(),
        Cause::VmEnded => "the guest has ended".to_owned(),
        Cause::ShutDown => "the console's server has shut down".to_owned(),
        Cause::PortDropped => "the VMM has removed the guest's serial port, and has not said why".to_owned(),
        Cause::Unknown => "the session has ended".to_owned(),
    }
}
