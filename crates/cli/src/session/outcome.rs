//! How a session has ended.

use vuart_endpoint::End;

use crate::signals::Signal;

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
