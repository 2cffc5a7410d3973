//! What can go wrong with a frame or a request: [`WireError`] where bytes are received, [`ErrorMessage`] on the wire.

use serde::{Deserialize, Serialize};

use crate::frame::MAX_PAYLOAD;
use crate::said::Said;

/// The payload of [`Event::Error`](crate::Event::Error): why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The reason, for people.
    pub message: Said,
}

/// The stable codes of an [`ErrorMessage`]. Each says what becomes of the frame or the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The frame's kind is unknown. The frame is skipped.
    UnknownFrame,
    /// The payload does not fit the frame's kind. The frame is skipped.
    Malformed,
    /// The request comes at the wrong time: anything before `Hello`, a second `Hello`, `Attach` or `Log` during a session,
    /// `Detach` or `Window` without one. The frame is skipped.
    OutOfOrder,
    /// There is no session of that name. The frame is skipped.
    NoSession,
    /// The frame is too long. The connection is closed.
    TooLong,
    /// The peer may not use this console, and the connection is closed; or the peer may not do what it asked for, and the
    /// frame is skipped.
    Forbidden,
    /// There are too many connections. This one is closed.
    TooMany,
    /// No `Hello` has come in time. The connection is closed.
    Timeout,
    /// There is no common version. The connection is closed.
    Version,
    /// A later version has added this code.
    #[serde(other)]
    Unknown,
}

/// What can be wrong with received bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A frame announces more than [`MAX_PAYLOAD`] bytes. The rest of the stream can't be understood.
    #[error("a frame of {0} bytes is announced; {MAX_PAYLOAD} is the limit")]
    TooLong(u32),
    /// The frame's kind is unknown. The frame is skipped, and the next one can be read.
    #[error("frame kind {0:#04x} is unknown")]
    UnknownKind(u8),
    /// The payload does not fit the frame's kind. The frame is skipped, and the next one can be read.
    #[error("frame kind {kind:#04x} is malformed: {reason}")]
    Malformed {
        /// The frame's kind.
        kind: u8,
        /// What is wrong with the payload.
        reason: Said,
    },
}

impl WireError {
    /// The code that tells the peer about this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong(_) => ErrorCode::TooLong,
            Self::UnknownKind(_) => ErrorCode::UnknownFrame,
            Self::Malformed { .. } => ErrorCode::Malformed,
        }
    }
}
