//! What happens at a console, for the embedder and for the audit trail.

use std::collections::VecDeque;
use std::fmt;

use crate::end::{Cause, Refused, Timestamp};
use crate::identity::Identity;
use crate::session::{Epoch, Mode, SessionId, Window};

/// Something that has happened at a console. As JSON it is one object, which `docs/audit.md` describes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ConsoleEvent {
    /// Counts the console's events from 0. Where one is missing, an observer has taken too long: see
    /// [`Console::observe`](crate::Console::observe).
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The offset of the guest's next byte of output at that moment.
    pub offset: u64,
    /// What.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: EventKind,
}

impl ConsoleEvent {
    /// An event, for readers of an audit trail; a console makes its own.
    pub fn new(number: u64, at: Timestamp, offset: u64, kind: EventKind) -> Self {
        Self { number, at, offset, kind }
    }
}

/// Whose doing an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Who {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub identity: Identity,
}

/// What has happened. The code in JSON, `event`, is the variant's name in kebab case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "event", rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum EventKind {
    /// A session has begun.
    Attached {
        /// Which.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
        /// How it was asked for.
        mode: Mode,
        /// The ownership that begins with it, if one does.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        epoch: Option<Epoch>,
        /// Whose session it has evicted.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        evicted: Option<Who>,
        /// The offset that its output begins at.
        from: u64,
    },
    /// A session was refused.
    Refused {
        /// Whose it would have been.
        identity: Identity,
        /// How it was asked for.
        mode: Mode,
        /// Why.
        reason: Refused,
    },
    /// An owner was evicted and watches on.
    Demoted {
        /// Which.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
        /// By whom.
        by: Who,
    },
    /// A session that has waited in line owns the console now.
    Promoted {
        /// Which.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
        /// The ownership that begins.
        epoch: Epoch,
    },
    /// A session has ended.
    Ended {
        /// Which.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
        /// Why.
        cause: Cause,
        /// Whether it owned the console.
        owner: bool,
        /// When it had begun.
        since: Timestamp,
        /// Symbols of input that the console has taken from it.
        bytes_in: u64,
        /// Bytes of output that it has read.
        bytes_out: u64,
        /// Bytes of output that it has missed, because the ring has lapped it.
        missed: u64,
    },
    /// An owner has sent a break.
    Break {
        /// Who.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
    },
    /// The guest's output has lapped a session.
    Lagged {
        /// Which.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
        /// The first offset that it has missed.
        from: u64,
        /// The first that was there again.
        to: u64,
    },
    /// A new ownership has discarded what an earlier one had queued and the guest had not taken.
    InputDiscarded {
        /// Symbols.
        symbols: u64,
    },
    /// Input was dropped before the console had taken it: its client had gone, or had no right to type any more.
    InputAbandoned {
        /// Bytes.
        bytes: u64,
    },
    /// A terminal has told its size.
    Resized {
        /// Whose.
        #[cfg_attr(feature = "serde", serde(flatten))]
        who: Who,
        /// The size.
        window: Window,
    },
    /// The guest was hung up: DCD has dropped for a moment.
    HangUp {
        /// Why.
        because: HangUpReason,
        /// Whose session at the guest that was meant for.
        person: Identity,
        /// The guest listens to its modem lines (IER.EDSSI). One that does not has heard nothing.
        heard: bool,
    },
    /// The guest has hung up: it has dropped DTR.
    GuestHungUp,
    /// The guest has sent breaks.
    GuestBreak {
        /// How many.
        count: u64,
    },
    /// The console was switched off.
    Disabled,
    /// The console was switched on again.
    Enabled,
    /// The console is over.
    Over {
        /// Why.
        cause: Cause,
    },
}

impl EventKind {
    /// The codes of all kinds, in the order of the variants.
    pub const CODES: [&'static str; 16] = [
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
        "disabled",
        "enabled",
        "over",
    ];

    /// The stable code of this variant: its name in kebab case, as programs know it.
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
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Over { .. } => "over",
        }
    }
}

/// Why the guest was hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum HangUpReason {
    /// The owner has left, and has not come back within the time of grace.
    Left,
    /// Another person owns the console now.
    OtherPerson,
}

/// A callback of the embedder's.
pub(crate) type Observer = Box<dyn FnMut(&ConsoleEvent) + Send>;

/// The observers: called one at a time, and never under the console's lock.
#[derive(Default)]
pub(crate) struct Observers(Vec<Observing>);

/// One of them, and the first event that is for it.
struct Observing {
    observer: Observer,
    since: u64,
}

impl Observers {
    /// Tells them of an event, and those who have come since the last one.
    pub(crate) fn tell(&mut self, arrived: Observers, event: &ConsoleEvent) {
        self.0.extend(arrived.0);
        for observing in &mut self.0 {
            if event.number >= observing.since {
                (observing.observer)(event);
            }
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}

/// What observers have not been told of yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<ConsoleEvent>,
    next: u64,
    /// Somebody observes: otherwise nothing is kept.
    observed: bool,
    /// Those who have come since the observers were last told of something.
    arrived: Observers,
    pub(crate) lost: u64,
}

impl Events {
    /// How many events wait for an observer that does not return.
    pub(crate) const CAPACITY: usize = 1024;

    pub(crate) fn add(&mut self, at: Timestamp, offset: u64, kind: EventKind) {
        let number = self.next;
        self.next += 1;
        if !self.observed {
            return;
        }
        if self.queue.len() == Self::CAPACITY {
            self.lost += 1;
        } else {
            self.queue.push_back(ConsoleEvent { number, at, offset, kind });
        }
    }

    /// Has an observer told of what happens from now on.
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.observed = true;
        self.arrived.0.push(Observing { observer, since: self.next });
    }

    /// The next event, and the observers who have come since the last one was taken.
    pub(crate) fn take(&mut self) -> Option<(ConsoleEvent, Observers)> {
        let event = self.queue.pop_front()?;
        Some((event, std::mem::take(&mut self.arrived)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
