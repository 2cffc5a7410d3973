//! What a client sends: [`Request`] and its payloads.

use serde::{Deserialize, Serialize};

use vuart_endpoint::{Epoch, Mode, OnLag, SessionId, Window};
use vuart_scrollback::Position;

/// A frame from a client to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Introduces the client. The first frame on every connection.
    Hello(Hello),
    /// Begins a session.
    Attach(AttachRequest),
    /// Types these bytes, as the owner.
    Input(Vec<u8>),
    /// Sends a break, in its place among the input.
    Break,
    /// Ends the session. The connection stays open.
    Detach(DetachRequest),
    /// Asks who is at the console.
    Status,
    /// Reads the history, without a session.
    Log(LogRequest),
    /// Ends another session.
    Kick(KickRequest),
    /// Tells the size of the client's terminal.
    Window(Window),
    /// Says that the client knows of an ownership that its session has come to. Input after this frame belongs to it.
    Accept(AcceptRequest),
}

/// The payload of [`Request::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The highest protocol version that the client speaks.
    pub version: u32,
    /// The client's name for itself, shown to others.
    pub label: String,
}

/// The payload of [`Request::Attach`]: the members of [`vuart_endpoint::Attach`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttachRequest {
    /// The attach mode.
    #[serde(default)]
    pub mode: Mode,
    /// Where replay starts.
    #[serde(default)]
    pub replay: Position,
    /// What happens when the client reads so slowly that output is overwritten.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_lag: OnLag,
    /// Whether the session wants the console back after an eviction that leaves it watching.
    #[serde(default, skip_serializing_if = "is_default")]
    pub returning: bool,
}

/// The payload of [`Request::Detach`]. The default has no payload at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DetachRequest {
    /// Whether the session waits until the guest has taken all its input, and the client has been sent the output up to then.
    /// Otherwise the next owner can have the rest of the input discarded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drained: bool,
}

/// The payload of [`Request::Kick`]; see [`Console::kick`](vuart_endpoint::Console::kick).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KickRequest {
    /// The session to end.
    pub session: SessionId,
}

/// The payload of [`Request::Accept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptRequest {
    /// The ownership that the client knows of.
    pub epoch: Epoch,
}

/// The payload of [`Request::Log`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogRequest {
    /// Where the answer begins. [`Position::End`] gives the end's offset and nothing else.
    pub from: Position,
    /// The most bytes to send; without it, everything up to the present end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// Whether a member has its default value, and so need not be sent.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
