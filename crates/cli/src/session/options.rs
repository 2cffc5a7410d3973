//! How a session begins and ends: its options and its outcome.

use vuart_endpoint::{End, OnLag};

use crate::signals::Signal;

/// The options of a session. They also hold after a reconnect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// What happens when output is lost. With [`OnLag::Ignore`], the user is not told of holes.
    pub(crate) on_lag: OnLag,
    /// Whether to become owner again after an eviction that leaves this session watching.
    pub(crate) returning: bool,
    /// Whether every byte of the output is written, wherever it goes.
    pub(crate) verbatim: bool,
    /// The words that depend on the command.
    pub(crate) wording: Wording,
}

impl Options {
    /// The default options, with these words.
    pub(crate) fn new(wording: Wording) -> Self {
        Self { on_lag: OnLag::default(), returning: false, verbatim: false, wording }
    }
}

/// The words of a session that depend on the command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wording {
    /// What the escape for detaching does.
    pub(crate) detach: &'static str,
    /// What has happened when a signal has ended the session.
    pub(crate) stopped: &'static str,
}

/// How a session has ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The user has detached, or standard input has ended and all of it has been sent.
    Detached {
        /// Whether the server has not confirmed the end. The guest takes no input then, and some of it may be dropped.
        unanswered: bool,
    },
    /// The server has ended the session.
    Ended(End),
    /// The reader of standard output is gone.
    OutputClosed,
    /// A signal asks to leave.
    Signal(Signal),
}
