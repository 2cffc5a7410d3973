//! A request to begin a session.

use std::time::SystemTime;

use vuart_scrollback::Position;

use crate::identity::Identity;

/// How a session wants to use the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Mode {
    /// Own the console. Refused while another session owns it.
    #[default]
    Exclusive,
    /// Own the console. The present owner, if any, is evicted and told so.
    TakeOver,
    /// Watch. A spectator never types and disturbs no other session.
    Spectate,
    /// Own the console as soon as it has no owner. Until then the session waits in the queue, and watches.
    Wait,
    /// Own the console while nobody else wants to, and watch at other times. Such a session gives way to every session that asks to own
    /// the console, in whatever mode, and is not evicted by it: it watches, whatever the [policy](crate::Policy::evicted), and owns the
    /// console again when nobody owns it or waits for it. Of several such sessions the oldest owns it. Use it for a console on the VMM's
    /// own terminal, which is always there and must not keep others out.
    ///
    /// It is nobody until it types: it has no [idle time](crate::Policy::idle), is not detached when the guest hangs up or is reset, and
    /// the console does not [hang up](crate::HangUp) on the guest because it has the console back. When it types it is a person like any
    /// other, whose login session may be open.
    Yield,
}

/// What happens to a session that reads so slowly that the ring laps it. Output that was already overwritten when the session
/// began does not count as a lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum OnLag {
    /// The session goes on after the hole, and observers are told.
    #[default]
    Note,
    /// The session goes on after the hole. The hole is only counted.
    Ignore,
    /// The session ends with [`Cause::Lagged`](crate::Cause::Lagged). For readers that need every byte.
    Disconnect,
}

/// A request to begin a session: see [`Console::attach`](crate::Console::attach).
#[derive(Debug, Clone)]
pub struct Attach {
    pub(crate) identity: Identity,
    pub(crate) mode: Mode,
    pub(crate) replay: Position,
    pub(crate) on_lag: OnLag,
    pub(crate) returning: bool,
    pub(crate) at: Option<SystemTime>,
}

impl Attach {
    /// Requests to own the console unless another session does, and to read what the guest writes from now on.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            mode: Mode::default(),
            replay: Position::default(),
            on_lag: OnLag::default(),
            returning: false,
            at: None,
        }
    }

    /// The attach mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Sets the attach mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Sets where replay starts.
    #[must_use]
    pub fn with_replay(self, replay: Position) -> Self {
        Self { replay, ..self }
    }

    /// Sets what happens when the session reads so slowly that the ring laps it.
    #[must_use]
    pub fn with_on_lag(self, on_lag: OnLag) -> Self {
        Self { on_lag, ..self }
    }

    /// Sets whether the session wants the console back after an eviction. If so, and if evicted owners
    /// [stay as spectators](crate::Evicted::Spectates), it goes to the head of the queue.
    #[must_use]
    pub fn with_returning(self, returning: bool) -> Self {
        Self { returning, ..self }
    }

    /// Overrides the reported time (default: now).
    #[must_use]
    pub fn with_time(self, at: SystemTime) -> Self {
        Self { at: Some(at), ..self }
    }
}
