//! The framed protocol of `NAME.ctl`, version 1; `docs/protocol.md` describes it for other implementations.
//!
//! A frame is a four-byte little-endian length, a kind byte and as many bytes of payload as the length says. Bulk
//! (output, input) is raw bytes; everything else is one JSON object, whose unknown members are ignored, so that a later
//! version can add some. A payload is at most [`MAX_PAYLOAD`] bytes; a peer that announces more is not understood and
//! the connection ends.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use vuart_endpoint::{
    Change, Counters, End, Epoch, Identity, Mode, OnLag, Refused, Replay, SessionId, SessionInfo, Timestamp,
    Window,
};

/// The version that this crate speaks.
pub const VERSION: u32 = 1;

/// The longest payload, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 16;

/// Length and kind.
pub const HEADER: usize = 5;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// First on every connection.
    Hello(Hello),
    /// Begin a session.
    Attach(AttachRequest),
    /// What the owner types.
    Input(Vec<u8>),
    /// A break.
    Break,
    /// End the session, keep the connection.
    Detach(DetachRequest),
    /// Who is at the console?
    Status,
    /// Read the history, without a session.
    Log(LogRequest),
    /// End somebody's session.
    Kick(KickRequest),
    /// The size of the client's terminal.
    Window(Window),
    /// The client knows of an ownership that its session has come to, and what it types from here on is for that one.
    Accept(AcceptRequest),
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to [`Request::Hello`].
    Welcome(Welcome),
    /// The session has begun.
    Attached(Attached),
    /// The guest's output.
    Output {
        /// Of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Output that is gone: the ring has lapped the reader.
    Hole(Hole),
    /// The session is over.
    Ended(End),
    /// The session has not begun.
    Refused(Refused),
    /// The answer to [`Request::Status`].
    Status(Status),
    /// The end of the answer to [`Request::Log`].
    LogEnd(LogEnd),
    /// The session has become something else.
    Standing(Change),
    /// What was asked for is done, and there is nothing more to say about it.
    Done,
    /// A request was not understood or can't be done; the connection goes on unless it is closed.
    Error(ErrorMessage),
}

/// The client introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The highest version that the client speaks.
    pub version: u32,
    /// What it calls itself.
    pub label: String,
}

/// The members of [`vuart_endpoint::Attach`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttachRequest {
    /// How.
    #[serde(default)]
    pub mode: Mode,
    /// From where.
    #[serde(default)]
    pub replay: Replay,
    /// What if the client reads too slowly.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_lag: OnLag,
    /// Whether it wants the console back after an eviction that leaves it watching.
    #[serde(default, skip_serializing_if = "is_default")]
    pub returning: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// See [`Request::Detach`]. Without members it has no payload at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DetachRequest {
    /// Not before the guest has taken all that this session has typed: so that nobody who owns the console next can have it
    /// discarded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drained: bool,
}

/// See [`Console::kick`](vuart_endpoint::Console::kick).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KickRequest {
    /// Whose end it is to be.
    pub session: SessionId,
}

/// See [`Request::Accept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptRequest {
    /// Which ownership.
    pub epoch: Epoch,
}

/// Which part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogRequest {
    /// Where it begins; [`Replay::None`] gives nothing but the end's offset.
    pub from: Replay,
    /// How many bytes at most; all up to the present end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// The server introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both speak.
    pub version: u32,
    /// The console's name.
    pub console: String,
    /// The server's process.
    pub pid: u32,
}

/// A session has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Its name.
    pub session: SessionId,
    /// It owns the console; it spectates otherwise.
    pub owner: bool,
    /// The ownership, if it owns the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// How many come before it in line, if it waits: the present owner not among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Where its output begins.
    pub offset: u64,
    /// Whom it has evicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evicted: Option<Identity>,
    /// Who owns the console, as the session begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Identity>,
}

/// A range of output that is gone: `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first offset that is gone.
    pub from: u64,
    /// The first that is there again.
    pub to: u64,
}

/// Who is at the console, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub console: String,
    /// The server's process.
    pub pid: u32,
    /// Who is attached, the owner first and then those who have been there longest, [`Status::SESSIONS_MAX`] at most.
    pub sessions: Vec<SessionInfo>,
    /// How many more are attached.
    #[serde(default)]
    pub more_sessions: u64,
    /// The oldest offset that is kept.
    pub oldest: u64,
    /// One past the newest.
    pub end: u64,
    /// The ring's size in bytes.
    pub capacity: u64,
    /// Symbols of input that wait for the guest.
    pub input_waiting: u64,
    /// What has happened.
    pub counters: Counters,
    /// Since when it is switched off, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// How the console has ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<End>,
}

impl Status {
    /// How many sessions are listed, so that the answer fits into a frame.
    pub const SESSIONS_MAX: usize = 100;
}

/// The history has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// The offset to go on from.
    pub next: u64,
}

/// Why a request was not served, with a stable code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

/// The stable codes of [`ErrorMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// A frame of an unknown kind; it was skipped.
    UnknownFrame,
    /// A frame that is not what its kind says; it was skipped.
    Malformed,
    /// A request at the wrong time: anything before `Hello`, a second `Hello`, `Attach` or `Log` during a session, `Detach`
    /// or `Window` without one.
    OutOfOrder,
    /// There is no session of that name.
    NoSession,
    /// A frame that is too long; the connection ends.
    TooLong,
    /// The peer may not use this console, and the connection ends; or it may not do what it asked for, and the frame was skipped.
    Forbidden,
    /// Too many connections; this one ends.
    TooMany,
    /// No `Hello` for too long; the connection ends.
    Timeout,
    /// No common version; the connection ends.
    Version,
    /// A code that a later version has added.
    #[serde(other)]
    Unknown,
}

/// What can be wrong with received bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// More than [`MAX_PAYLOAD`] is announced: what follows can't be understood.
    #[error("a frame of {0} bytes is announced; {MAX_PAYLOAD} is the limit")]
    TooLong(u32),
    /// Skipped; the next frame can be read.
    #[error("frame kind {0:#04x} is unknown")]
    UnknownKind(u8),
    /// Skipped; the next frame can be read.
    #[error("frame kind {kind:#04x} is malformed: {reason}")]
    Malformed {
        /// Which.
        kind: u8,
        /// What was wrong.
        reason: String,
    },
}

impl WireError {
    /// The code that tells the peer.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong(_) => ErrorCode::TooLong,
            Self::UnknownKind(_) => ErrorCode::UnknownFrame,
            Self::Malformed { .. } => ErrorCode::Malformed,
        }
    }
}

/// The kind bytes. A client's are below 0x80, a server's above.
mod kind {
    pub(super) const HELLO: u8 = 0x01;
    pub(super) const ATTACH: u8 = 0x02;
    pub(super) const INPUT: u8 = 0x03;
    pub(super) const BREAK: u8 = 0x04;
    pub(super) const DETACH: u8 = 0x05;
    pub(super) const STATUS: u8 = 0x06;
    pub(super) const LOG: u8 = 0x07;
    pub(super) const KICK: u8 = 0x08;
    pub(super) const WINDOW: u8 = 0x09;
    pub(super) const ACCEPT: u8 = 0x0a;
    pub(super) const WELCOME: u8 = 0x81;
    pub(super) const ATTACHED: u8 = 0x82;
    pub(super) const OUTPUT: u8 = 0x83;
    pub(super) const HOLE: u8 = 0x84;
    pub(super) const ENDED: u8 = 0x85;
    pub(super) const REFUSED: u8 = 0x86;
    pub(super) const STATUS_IS: u8 = 0x87;
    pub(super) const LOG_END: u8 = 0x88;
    pub(super) const ERROR: u8 = 0x89;
    pub(super) const STANDING: u8 = 0x8a;
    pub(super) const DONE: u8 = 0x8b;
}

/// A frame that goes over the wire in one of the two directions.
pub trait Frame: Sized {
    /// Appends the frame to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// What a received kind and payload mean.
    ///
    /// # Errors
    ///
    /// [`WireError::UnknownKind`] and [`WireError::Malformed`].
    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError>;
}

fn frame(out: &mut Vec<u8>, kind: u8, payload: &[&[u8]]) {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    // Callers see to it that a payload is at most MAX_PAYLOAD long.
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    out.push(kind);
    for part in payload {
        out.extend_from_slice(part);
    }
}

fn json_frame(out: &mut Vec<u8>, number: u8, value: &impl Serialize) {
    // Serialising plain structs with string keys into memory can't fail.
    let json = serde_json::to_vec(value).unwrap_or_default();
    if json.len() <= MAX_PAYLOAD {
        frame(out, number, &[&json]);
    } else {
        // No frame of ours comes near, unless somebody made it of strings without a bound. The peer could not read on after
        // it; this it can.
        let code = ErrorCode::TooLong;
        let error = ErrorMessage { code, message: format!("frame kind {number:#04x} would be too long") };
        json_frame(out, kind::ERROR, &error);
    }
}

/// What a peer's own bytes are quoted with in an error, in characters at most: enough to recognise them.
const QUOTE: usize = 200;

fn json<T: DeserializeOwned>(kind: u8, payload: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(payload).map_err(|error| {
        let reason = error.to_string().chars().take(QUOTE).collect();
        WireError::Malformed { kind, reason }
    })
}

fn empty<T>(kind: u8, payload: &[u8], value: T) -> Result<T, WireError> {
    if payload.is_empty() {
        Ok(value)
    } else {
        Err(WireError::Malformed { kind, reason: format!("{} bytes where none belong", payload.len()) })
    }
}

impl Frame for Request {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => json_frame(out, kind::HELLO, hello),
            Self::Attach(attach) => json_frame(out, kind::ATTACH, attach),
            Self::Input(bytes) => bytes.chunks(MAX_PAYLOAD).for_each(|some| frame(out, kind::INPUT, &[some])),
            Self::Break => frame(out, kind::BREAK, &[]),
            Self::Detach(detach) if is_default(detach) => frame(out, kind::DETACH, &[]),
            Self::Detach(detach) => json_frame(out, kind::DETACH, detach),
            Self::Status => frame(out, kind::STATUS, &[]),
            Self::Log(log) => json_frame(out, kind::LOG, log),
            Self::Kick(kick) => json_frame(out, kind::KICK, kick),
            Self::Window(window) => json_frame(out, kind::WINDOW, window),
            Self::Accept(accept) => json_frame(out, kind::ACCEPT, accept),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        match kind {
            kind::HELLO => json(kind, payload).map(Self::Hello),
            kind::ATTACH => json(kind, payload).map(Self::Attach),
            kind::INPUT => Ok(Self::Input(payload.to_vec())),
            kind::BREAK => empty(kind, payload, Self::Break),
            kind::DETACH if payload.is_empty() => Ok(Self::Detach(DetachRequest::default())),
            kind::DETACH => json(kind, payload).map(Self::Detach),
            kind::STATUS => empty(kind, payload, Self::Status),
            kind::LOG => json(kind, payload).map(Self::Log),
            kind::KICK => json(kind, payload).map(Self::Kick),
            kind::WINDOW => json(kind, payload).map(Self::Window),
            kind::ACCEPT => json(kind, payload).map(Self::Accept),
            _ => Err(WireError::UnknownKind(kind)),
        }
    }
}

/// What comes before the bytes of an [`Event::Output`]: header and offset.
pub const OUTPUT_HEADER: usize = HEADER + 8;

/// An output frame's, for the bytes behind it, of which there are at most [`MAX_PAYLOAD`] `- 8`.
pub fn output_header(offset: u64, len: usize) -> [u8; OUTPUT_HEADER] {
    let mut header = [0; OUTPUT_HEADER];
    let (start, rest) = header.split_at_mut(HEADER - 1);
    start.copy_from_slice(&u32::try_from(len + 8).unwrap_or(u32::MAX).to_le_bytes());
    rest[0] = kind::OUTPUT;
    rest[1..].copy_from_slice(&offset.to_le_bytes());
    header
}

impl Frame for Event {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome(welcome) => json_frame(out, kind::WELCOME, welcome),
            Self::Attached(attached) => json_frame(out, kind::ATTACHED, attached),
            Self::Output { offset, bytes } => {
                let mut offset = *offset;
                for some in bytes.chunks(MAX_PAYLOAD - 8) {
                    out.extend_from_slice(&output_header(offset, some.len()));
                    out.extend_from_slice(some);
                    // A peer may say anything, and what it said can be said again.
                    offset = offset.wrapping_add(some.len() as u64);
                }
            }
            Self::Hole(hole) => json_frame(out, kind::HOLE, hole),
            Self::Ended(end) => json_frame(out, kind::ENDED, end),
            Self::Refused(refused) => json_frame(out, kind::REFUSED, refused),
            Self::Status(status) => json_frame(out, kind::STATUS_IS, status),
            Self::LogEnd(end) => json_frame(out, kind::LOG_END, end),
            Self::Standing(change) => json_frame(out, kind::STANDING, change),
            Self::Done => frame(out, kind::DONE, &[]),
            Self::Error(error) => json_frame(out, kind::ERROR, error),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        match kind {
            kind::WELCOME => json(kind, payload).map(Self::Welcome),
            kind::ATTACHED => json(kind, payload).map(Self::Attached),
            kind::OUTPUT => match payload.split_first_chunk() {
                Some((offset, bytes)) => {
                    Ok(Self::Output { offset: u64::from_le_bytes(*offset), bytes: bytes.to_vec() })
                }
                None => Err(WireError::Malformed { kind, reason: "it has no offset".to_owned() }),
            },
            kind::HOLE => json(kind, payload).map(Self::Hole),
            kind::ENDED => json(kind, payload).map(Self::Ended),
            kind::REFUSED => json(kind, payload).map(Self::Refused),
            kind::STATUS_IS => json(kind, payload).map(Self::Status),
            kind::LOG_END => json(kind, payload).map(Self::LogEnd),
            kind::STANDING => json(kind, payload).map(Self::Standing),
            kind::DONE => empty(kind, payload, Self::Done),
            kind::ERROR => json(kind, payload).map(Self::Error),
            _ => Err(WireError::UnknownKind(kind)),
        }
    }
}

/// Cuts a stream of bytes into frames. Holds at most one unfinished frame and what was received with it.
///
/// ```
/// use vuart_wire::{Decoder, Frame, Request};
/// let mut bytes = Vec::new();
/// Request::Input(b"ls\r".to_vec()).encode(&mut bytes);
/// Request::Break.encode(&mut bytes);
///
/// let mut decoder = Decoder::default();
/// decoder.extend(&bytes[..6]);
/// assert_eq!(decoder.next_frame::<Request>(), None);
/// decoder.extend(&bytes[6..]);
/// assert_eq!(decoder.next_frame(), Some(Ok(Request::Input(b"ls\r".to_vec()))));
/// assert_eq!(decoder.next_frame(), Some(Ok(Request::Break)));
/// assert_eq!(decoder.next_frame::<Request>(), None);
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    /// What was received, from `start` on to `end`, and room.
    bytes: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
    end: usize,
}

impl Decoder {
    /// Takes received bytes.
    pub fn extend(&mut self, received: &[u8]) {
        self.room(received.len()).copy_from_slice(received);
        self.end += received.len();
    }

    /// Has `receive` put bytes where they are wanted, at most `most`, which spares a copy.
    ///
    /// # Errors
    ///
    /// What it returns, which otherwise is how many those were.
    pub(crate) fn receive<E>(
        &mut self,
        most: usize,
        receive: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let received = receive(self.room(most))?.min(most);
        self.end += received;
        Ok(received)
    }

    /// Room behind what has been received. What is there is moved only when there is none, and the memory grows only when that
    /// does not help.
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < len && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = self.end + len;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        &mut self.bytes[self.end..self.end + len]
    }

    /// Whether [`next_frame`](Self::next_frame) has an answer.
    pub fn has_frame(&self) -> bool {
        let waiting = &self.bytes[self.start..self.end];
        waiting.split_first_chunk().is_some_and(|(length, rest)| {
            let length = u32::from_le_bytes(*length) as usize;
            length > MAX_PAYLOAD || rest.len() > length
        })
    }

    /// The next frame, if all of it is there. After [`WireError::TooLong`] the answer stays the same.
    pub fn next_frame<F: Frame>(&mut self) -> Option<Result<F, WireError>> {
        let waiting = &self.bytes[self.start..self.end];
        let (length, rest) = waiting.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let Some(len) = usize::try_from(length).ok().filter(|len| *len <= MAX_PAYLOAD) else {
            return Some(Err(WireError::TooLong(length)));
        };
        let (kind, rest) = rest.split_first()?;
        let payload = rest.get(..len)?;
        let frame = F::decode(*kind, payload);
        self.start += HEADER + len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vuart_endpoint::Cause;

    /// As `docs/protocol.md` promises: a later version may add codes.
    #[test]
    fn a_code_that_is_not_known_yet_is_understood_as_far_as_it_goes() {
        let json = br#"{"code":"brand-new","at":5,"message":"m","more":[1]}"#;
        match Event::decode(kind::ENDED, json) {
            Ok(Event::Ended(end)) => assert_eq!((end.cause, end.at.as_millis()), (Cause::Unknown, 5)),
            other => panic!("{other:?}"),
        }
        assert_eq!(Event::decode(kind::REFUSED, json), Ok(Event::Refused(Refused::Unknown)));
        let error = ErrorMessage { code: ErrorCode::Unknown, message: "m".to_owned() };
        assert_eq!(Event::decode(kind::ERROR, json), Ok(Event::Error(error)));
    }

    #[test]
    fn frames_are_cut_wherever_the_bytes_come_apart() {
        let events: Vec<Event> = (1..40)
            .map(|n| Event::Output { offset: n, bytes: vec![b'x'; usize::try_from(n * n).unwrap()] })
            .collect();
        let mut bytes = Vec::new();
        for event in &events {
            event.encode(&mut bytes);
        }
        for piece in [1, 2, 13, 1000, bytes.len()] {
            let (mut decoder, mut frames) = (Decoder::default(), Vec::<Event>::new());
            for some in bytes.chunks(piece) {
                let received = decoder.receive(4096, |room| {
                    let count = some.len().min(room.len() / 2);
                    room[..count].copy_from_slice(&some[..count]);
                    Ok::<_, ()>(count)
                });
                decoder.extend(&some[received.unwrap()..]);
                while let Some(event) = decoder.next_frame() {
                    frames.push(event.unwrap());
                }
            }
            assert_eq!(frames, events, "pieces of {piece}");
        }
    }

    #[test]
    fn what_a_peer_says_can_be_said_again() {
        let event = Event::Output { offset: u64::MAX, bytes: vec![0; MAX_PAYLOAD] };
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        let mut decoder = Decoder::default();
        decoder.extend(&bytes);
        assert!(matches!(decoder.next_frame(), Some(Ok(Event::Output { offset: u64::MAX, .. }))));
    }
}
