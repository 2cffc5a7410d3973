//! What a server sends: [`Event`] and its payloads.

use serde::{Deserialize, Serialize};

use vuart_endpoint::{
    Change, Counters, End, Epoch, Identity, Refused, SessionId, SessionInfo, Timestamp, Warning,
};

use crate::error::ErrorMessage;
use crate::said::Said;

/// A frame from a server to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is moved a few times, and never kept in large numbers"
)]
pub enum Event {
    /// Answers [`Request::Hello`](crate::Request::Hello).
    Welcome(Welcome),
    /// The session has begun.
    Attached(Attached),
    /// The guest's output.
    Output {
        /// The offset of the first byte.
        offset: u64,
        /// The output, as the guest wrote it.
        bytes: Vec<u8>,
    },
    /// Output is lost: the ring has overwritten it before this client read it.
    Hole(Hole),
    /// The session is over.
    Ended(End),
    /// The session has not begun.
    Refused(Refused),
    /// Answers [`Request::Status`](crate::Request::Status).
    Status(Status),
    /// Ends the answer to [`Request::Log`](crate::Request::Log).
    LogEnd(LogEnd),
    /// The session's role has changed: owner, spectator, or its place in the queue.
    Standing(Change),
    /// The request is done, and there is nothing to add.
    Done,
    /// A request was not understood or can't be served. Most errors leave the connection open; see
    /// [`ErrorCode`](crate::ErrorCode).
    Error(ErrorMessage),
}

/// The payload of [`Event::Welcome`]: the server introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol version that both sides speak.
    pub version: u32,
    /// The console's name.
    pub console: Said,
    /// The server's process.
    pub pid: u32,
}

/// The payload of [`Event::Attached`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The session's name.
    pub session: SessionId,
    /// Whether the session owns the console. Otherwise it watches.
    pub owner: bool,
    /// The session's ownership, if it owns the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// How many sessions come before this one in the queue, if it waits. The present owner is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// The offset where the session's output begins.
    pub offset: u64,
    /// The owner that this session has evicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evicted: Option<Identity>,
    /// The console's owner as the session begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Identity>,
}

/// The payload of [`Event::Hole`]: the lost range of output `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first offset that is lost.
    pub from: u64,
    /// The first offset that is there again.
    pub to: u64,
}

/// The payload of [`Event::Status`]: who is at the console, and the console's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The console's name.
    pub console: Said,
    /// The server's process.
    pub pid: u32,
    /// The sessions: the owner first, then the others by age, the oldest first. At most [`Status::SESSIONS_MAX`].
    pub sessions: Vec<SessionInfo>,
    /// The number of sessions that are not listed.
    #[serde(default)]
    pub more_sessions: u64,
    /// The oldest offset that is kept.
    pub oldest: u64,
    /// The offset after the newest byte.
    pub end: u64,
    /// The size of the ring, in bytes.
    pub capacity: u64,
    /// The number of input symbols (bytes and breaks) that wait for the guest.
    pub input_waiting: u64,
    /// Whether the guest has stopped input, by RTS or XOFF. What waits is taken when it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input_stopped: bool,
    /// Whether the guest's output waits for the owner, because the console's policy is to hold it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub output_held: bool,
    /// The console's counters.
    pub counters: Counters,
    /// Since when the console is switched off, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// How the console has ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<End>,
    /// What does not work around the console, if anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Event {
    /// The name of the frame, as [`protocol`](crate::protocol) has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Welcome(_) => "WELCOME",
            Self::Attached(_) => "ATTACHED",
            Self::Output { .. } => "OUTPUT",
            Self::Hole(_) => "HOLE",
            Self::Ended(_) => "ENDED",
            Self::Refused(_) => "REFUSED",
            Self::Status(_) => "STATUS_IS",
            Self::LogEnd(_) => "LOG_END",
            Self::Standing(_) => "STANDING",
            Self::Done => "DONE",
            Self::Error(_) => "ERROR",
        }
    }
}

impl Status {
    /// The most sessions in a list, so that the answer fits into one frame.
    pub const SESSIONS_MAX: usize = 100;
}

/// The payload of [`Event::LogEnd`]: the history has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// The offset to go on from.
    pub next: u64,
}
