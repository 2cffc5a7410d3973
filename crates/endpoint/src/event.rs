//! What happens at a console, for the embedder and for the audit trail.

use crate::attach::Mode;
use crate::end::Cause;
use crate::identity::Identity;
use crate::info::{SessionId, Window};
use crate::refused::Refused;
use crate::standing::Epoch;
use crate::timestamp::Timestamp;

/// An event at a console. The crate `vuart-audit` describes the serialised form, which is one flat object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::EventForm", try_from = "crate::flat::EventForm")
)]
#[non_exhaustive]
pub struct ConsoleEvent {
    /// The event's number: a console's events count from 0. A gap means that an observer took too long: see
    /// [`Console::observe`](crate::Console::observe).
    pub number: u64,
    /// The time of the event.
    pub at: Timestamp,
    /// The offset of the guest's next byte of output at that time.
    pub offset: u64,
    /// The kind of event, with its details.
    pub kind: EventKind,
}

impl ConsoleEvent {
    /// Makes an event. For readers of an audit trail: a console makes its events itself.
    pub fn new(number: u64, at: Timestamp, offset: u64, kind: EventKind) -> Self {
        Self { number, at, offset, kind }
    }
}

/// The session that an event is about, and its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Who {
    /// The session's number.
    pub session: SessionId,
    /// The session's identity.
    pub identity: Identity,
}

/// A kind of event. In the serialised form, `event` is the variant's name in kebab case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::flat::EventForm", try_from = "crate::flat::EventForm")
)]
#[non_exhaustive]
pub enum EventKind {
    /// A session began.
    Attached {
        /// The session.
        who: Who,
        /// The attach mode.
        mode: Mode,
        /// The ownership that began with it, if one did.
        epoch: Option<Epoch>,
        /// The owner that it evicted, if any.
        evicted: Option<Who>,
        /// The offset at which its output starts.
        from: u64,
    },
    /// A session was refused.
    Refused {
        /// The identity that asked for it.
        identity: Identity,
        /// The attach mode.
        mode: Mode,
        /// The reason.
        reason: Refused,
    },
    /// An owner was evicted and stays as a spectator.
    Demoted {
        /// The evicted session.
        who: Who,
        /// The session that took over.
        by: Who,
    },
    /// A session from the queue became the owner, or one that [yields](crate::Mode::Yield), because nobody else wanted to.
    Promoted {
        /// The session.
        who: Who,
        /// The ownership that began.
        epoch: Epoch,
    },
    /// A session ended.
    Ended {
        /// The session.
        who: Who,
        /// The cause.
        cause: Cause,
        /// Whether it owned the console.
        owner: bool,
        /// The time at which it had begun.
        since: Timestamp,
        /// The symbols of input that the console took from it.
        bytes_in: u64,
        /// The bytes of output that it had read by then.
        bytes_out: u64,
        /// The bytes of output that it missed because the ring lapped it.
        missed: u64,
        /// The bytes of output that it asked for and that were lost before it began.
        lost_before: u64,
        /// The bytes of output that it had not read by then. It may still be given them, unless it was evicted or kicked, or has
        /// lagged. `from` (of [`Attached`](Self::Attached)) and the four numbers of bytes are together the offset of this event.
        unread: u64,
    },
    /// The owner sent a break.
    Break {
        /// The owner.
        who: Who,
    },
    /// The guest's output lapped a session.
    Lagged {
        /// The session.
        who: Who,
        /// The first offset that it missed.
        from: u64,
        /// The first offset after it that it did not miss.
        to: u64,
    },
    /// A new ownership discarded input of an earlier one that the guest had not taken. What the guest's receiver had taken, and
    /// gave back unread when the ownership had begun, is told when the next one begins.
    InputDiscarded {
        /// The number of symbols.
        symbols: u64,
    },
    /// Input was dropped before the console took it: its client had gone, or was not allowed to type any more.
    InputAbandoned {
        /// The number of bytes.
        bytes: u64,
    },
    /// A session told the size of its terminal.
    Resized {
        /// The session.
        who: Who,
        /// The new size.
        window: Window,
    },
    /// The console hung up on the guest: DCD drops for a moment.
    HangUp {
        /// The reason.
        because: HangUpReason,
        /// The person whose login session at the guest is to end, if anybody has owned the console.
        person: Option<Identity>,
        /// Whether the guest listens to its modem lines (IER.EDSSI). If not, it has not noticed.
        heard: bool,
    },
    /// The guest hung up: it dropped DTR.
    GuestHungUp,
    /// The guest sent breaks.
    GuestBreak {
        /// The number of breaks.
        count: u64,
    },
    /// The guest was reset, and boots.
    GuestReset {
        /// How often.
        count: u64,
    },
    /// The console was switched off.
    Disabled,
    /// The console was switched on again.
    Enabled,
    /// The console ended.
    Over {
        /// The cause.
        cause: Cause,
    },
    /// An owner that [yields](crate::Mode::Yield) gave way to another session, and watches.
    Yielded {
        /// The session that gave way.
        who: Who,
        /// The session that owns the console now.
        by: Who,
    },
}

impl EventKind {
    /// The codes of all kinds, in the order of the variants.
    pub const CODES: [&'static str; 18] = [
        "attached",
        "refused",
        "demoted",
        "promoted",
        "ended",
        "break",
        "lagged",
        "input-discarded",
        "input-abandoned",
        "resized",
        "hang-up",
        "guest-hung-up",
        "guest-break",
        "guest-reset",
        "disabled",
        "enabled",
        "over",
        "yielded",
    ];

    /// The stable code of this kind for programs: the variant's name in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Attached { .. } => "attached",
            Self::Refused { .. } => "refused",
            Self::Demoted { .. } => "demoted",
            Self::Promoted { .. } => "promoted",
            Self::Ended { .. } => "ended",
            Self::Break { .. } => "break",
            Self::Lagged { .. } => "lagged",
            Self::InputDiscarded { .. } => "input-discarded",
            Self::InputAbandoned { .. } => "input-abandoned",
            Self::Resized { .. } => "resized",
            Self::HangUp { .. } => "hang-up",
            Self::GuestHungUp => "guest-hung-up",
            Self::GuestBreak { .. } => "guest-break",
            Self::GuestReset { .. } => "guest-reset",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Over { .. } => "over",
            Self::Yielded { .. } => "yielded",
        }
    }
}

/// Why the console hung up on the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum HangUpReason {
    /// The owner left and did not come back within the grace time.
    Left,
    /// Another person became the owner.
    OtherPerson,
    /// The VMM asked for it: [`Console::hang_up`](crate::Console::hang_up).
    Vmm,
}
