use super::{FormError, need};
use crate::attach::Mode;
use crate::end::Cause;
use crate::event::{ConsoleEvent, EventKind, HangUpReason, Who};
use crate::identity::Identity;
use crate::info::{SessionId, Window};
use crate::refused::Refused;
use crate::standing::Epoch;
use crate::timestamp::Timestamp;

/// Defines the form: members that may be absent, the code among them, which may not.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident { $($first:ident: $first_type:ty,)* [$code:ident] $($member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                $first: Option<$first_type>,
            )*
            $code: String,
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                $member: Option<$type>,
            )*
        }
    };
}

form! {
    /// The form of a [`ConsoleEvent`], and without `number`, `at` and `offset` of an [`EventKind`].
    EventForm {
        number: u64,
        at: Timestamp,
        offset: u64,
        [event]
        session: SessionId,
        identity: Identity,
        mode: Mode,
        epoch: Epoch,
        evicted: Who,
        reason: Refused,
        by: Who,
        cause: Cause,
        owner: bool,
        since: Timestamp,
        bytes_in: u64,
        bytes_out: u64,
        missed: u64,
        lost_before: u64,
        unread: u64,
        from: u64,
        to: u64,
        symbols: u64,
        bytes: u64,
        window: Window,
        because: HangUpReason,
        person: Identity,
        heard: bool,
        count: u64,
    }
}

impl EventForm {
    /// The members of a session that an event is about.
    fn about(Who { session, identity }: Who) -> Self {
        Self { session: Some(session), identity: Some(identity), ..Self::default() }
    }

    fn who(&mut self) -> Result<Who, FormError> {
        Ok(Who { session: need(self.session, "session")?, identity: need(self.identity.take(), "identity")? })
    }
}

impl From<EventKind> for EventForm {
    fn from(kind: EventKind) -> Self {
        let event = kind.code().to_owned();
        let none = Self::default();
        let form = match kind {
            EventKind::Attached { who, mode, epoch, evicted, from } => {
                Self { mode: Some(mode), epoch, evicted, from: Some(from), ..Self::about(who) }
            }
            EventKind::Refused { identity, mode, reason } => {
                Self { identity: Some(identity), mode: Some(mode), reason: Some(reason), ..none }
            }
            EventKind::Demoted { who, by } | EventKind::Yielded { who, by } => {
                Self { by: Some(by), ..Self::about(who) }
            }
            EventKind::Promoted { who, epoch } => Self { epoch: Some(epoch), ..Self::about(who) },
            EventKind::Ended {
                who,
                cause,
                owner,
                since,
                bytes_in,
                bytes_out,
                missed,
                lost_before,
                unread,
            } => Self {
                cause: Some(cause),
                owner: Some(owner),
                since: Some(since),
                bytes_in: Some(bytes_in),
                bytes_out: Some(bytes_out),
                missed: Some(missed),
                lost_before: Some(lost_before),
                unread: Some(unread),
                ..Self::about(who)
            },
            EventKind::Break { who } => Self::about(who),
            EventKind::Lagged { who, from, to } => {
                Self { from: Some(from), to: Some(to), ..Self::about(who) }
            }
            EventKind::InputDiscarded { symbols } => Self { symbols: Some(symbols), ..none },
            EventKind::InputAbandoned { bytes } => Self { bytes: Some(bytes), ..none },
            EventKind::Resized { who, window } => Self { window: Some(window), ..Self::about(who) },
            EventKind::HangUp { because, person, heard } => {
                Self { because: Some(because), person, heard: Some(heard), ..none }
            }
            EventKind::GuestBreak { count } | EventKind::GuestReset { count } => {
                Self { count: Some(count), ..none }
            }
            EventKind::Over { cause } => Self { cause: Some(cause), ..none },
            EventKind::GuestHungUp | EventKind::Disabled | EventKind::Enabled => none,
        };
        Self { event, ..form }
    }
}

impl TryFrom<EventForm> for EventKind {
    type Error = FormError;

    fn try_from(mut form: EventForm) -> Result<Self, FormError> {
        Ok(match form.event.as_str() {
            "attached" => Self::Attached {
                who: form.who()?,
                mode: need(form.mode, "mode")?,
                epoch: form.epoch,
                evicted: form.evicted,
                from: need(form.from, "from")?,
            },
            "refused" => Self::Refused {
                identity: need(form.identity, "identity")?,
                mode: need(form.mode, "mode")?,
                reason: need(form.reason, "reason")?,
            },
            "demoted" => Self::Demoted { who: form.who()?, by: need(form.by, "by")? },
            "promoted" => Self::Promoted { who: form.who()?, epoch: need(form.epoch, "epoch")? },
            "ended" => Self::Ended {
                who: form.who()?,
                cause: need(form.cause, "cause")?,
                owner: need(form.owner, "owner")?,
                since: need(form.since, "since")?,
                bytes_in: need(form.bytes_in, "bytes_in")?,
                bytes_out: need(form.bytes_out, "bytes_out")?,
                missed: need(form.missed, "missed")?,
                // Earlier versions did not count these.
                lost_before: form.lost_before.unwrap_or(0),
                unread: form.unread.unwrap_or(0),
            },
            "break" => Self::Break { who: form.who()? },
            "lagged" => {
                Self::Lagged { who: form.who()?, from: need(form.from, "from")?, to: need(form.to, "to")? }
            }
            "input-discarded" => Self::InputDiscarded { symbols: need(form.symbols, "symbols")? },
            "input-abandoned" => Self::InputAbandoned { bytes: need(form.bytes, "bytes")? },
            "resized" => Self::Resized { who: form.who()?, window: need(form.window, "window")? },
            "hang-up" => Self::HangUp {
                because: need(form.because, "because")?,
                person: form.person,
                heard: need(form.heard, "heard")?,
            },
            "guest-hung-up" => Self::GuestHungUp,
            "guest-break" => Self::GuestBreak { count: need(form.count, "count")? },
            "guest-reset" => Self::GuestReset { count: need(form.count, "count")? },
            "disabled" => Self::Disabled,
            "enabled" => Self::Enabled,
            "over" => Self::Over { cause: need(form.cause, "cause")? },
            "yielded" => Self::Yielded { who: form.who()?, by: need(form.by, "by")? },
            _ => return Err(FormError::Unknown(form.event)),
        })
    }
}

impl From<ConsoleEvent> for EventForm {
    fn from(ConsoleEvent { number, at, offset, kind }: ConsoleEvent) -> Self {
        Self { number: Some(number), at: Some(at), offset: Some(offset), ..kind.into() }
    }
}

impl TryFrom<EventForm> for ConsoleEvent {
    type Error = FormError;

    fn try_from(form: EventForm) -> Result<Self, FormError> {
        let number = need(form.number, "number")?;
        let (at, offset) = (need(form.at, "at")?, need(form.offset, "offset")?);
        Ok(Self { number, at, offset, kind: form.try_into()? })
    }
}
