//! Frames: their kinds, and how each is written and read.
//!
//! A frame is a four-byte little-endian length, a kind byte and a payload of that length. Bulk data (output, input) is raw
//! bytes. Every other payload is one JSON object, or nothing. A receiver ignores unknown members, so a later version can
//! add some.
//!
//! # To add a frame
//!
//! 1. Add its number to [`RequestKind`] (from a client) or [`EventKind`] (from a server) in this file.
//! 2. Add its variant to [`Request`] or [`Event`], and a struct for its payload beside the others.
//! 3. Compile. The compiler asks for how the frame is read and written, in this file, and for what the server does with a
//!    request, in `vuart-server`'s `connection/requests.rs`. It does not ask for what a request costs (`cost`, there), nor
//!    for what clients do with an event: [`Event`] is non-exhaustive, and clients skip frames that they do not know.
//! 4. Make each member that people read a [`Said`] or an [`Identity`](vuart_endpoint::Identity), and not a
//!    `String`: a peer has chosen it.
//! 5. Describe it in `docs/protocol.md`. `frame/tests.rs` compares that page's tables with the kinds.
//!
//! # What is compiled where
//!
//! Whoever serves consoles writes events and reads requests; a client does the opposite. Most of the time that this crate takes to build is
//! spent on these four functions. So they are `#[inline]`, and with them all that calls them here, down to [`Client`](crate::Client): a
//! program then compiles only those that it uses.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::WireError;
use crate::event::Event;
use crate::request::{DetachRequest, Request, is_default};
use crate::said::Said;

/// The protocol version that this crate speaks.
pub const VERSION: u32 = 1;

/// The longest payload, in bytes. A peer that announces more is not understood, and the connection ends.
pub const MAX_PAYLOAD: usize = 1 << 16;

/// The size of a frame's header, in bytes: length and kind.
pub const HEADER: usize = 5;

/// The size of what precedes the bytes of an [`Event::Output`], in bytes: header and offset.
pub const OUTPUT_HEADER: usize = HEADER + OFFSET;

/// The most output in one frame, in bytes.
pub const OUTPUT_MAX: usize = MAX_PAYLOAD - OFFSET;

/// The size of an offset, in bytes.
const OFFSET: usize = 8;

/// The most characters of a peer's own text in an error message: enough to recognise it.
const QUOTE: usize = 200;

/// Defines an enum of kind bytes, and reads it from a byte.
macro_rules! kinds {
    ($(#[$doc:meta])* enum $name:ident { $($kind:ident = $byte:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum $name {
            $($kind = $byte,)*
        }

        impl $name {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$kind),*];

            fn from_byte(byte: u8) -> Result<Self, WireError> {
                match byte {
                    $($byte => Ok(Self::$kind),)*
                    _ => Err(WireError::UnknownKind(byte)),
                }
            }
        }
    };
}

kinds! {
    /// The kinds of a client's frames: below 0x80.
    enum RequestKind {
        Hello = 0x01,
        Attach = 0x02,
        Input = 0x03,
        Break = 0x04,
        Detach = 0x05,
        Status = 0x06,
        Log = 0x07,
        Kick = 0x08,
        Window = 0x09,
        Accept = 0x0a,
    }
}

kinds! {
    /// The kinds of a server's frames: from 0x80 on.
    enum EventKind {
        Welcome = 0x81,
        Attached = 0x82,
        Output = 0x83,
        Hole = 0x84,
        Ended = 0x85,
        Refused = 0x86,
        StatusIs = 0x87,
        LogEnd = 0x88,
        Error = 0x89,
        Standing = 0x8a,
        Done = 0x8b,
    }
}

/// A frame of one of the two directions: [`Request`] or [`Event`].
pub trait Frame: Sized {
    /// Appends the frame to `out`. Long input and output become several frames, and empty ones none.
    ///
    /// A frame that would be longer than [`MAX_PAYLOAD`] is replaced by an error frame that says so: the peer can read
    /// on after it.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads a frame from its kind and payload.
    ///
    /// # Errors
    ///
    /// [`WireError::UnknownKind`] and [`WireError::Malformed`].
    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError>;
}

impl Frame for Request {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        use RequestKind as Kind;
        match self {
            Self::Hello(hello) => json_frame(out, Kind::Hello as u8, hello),
            Self::Attach(attach) => json_frame(out, Kind::Attach as u8, attach),
            Self::Input(bytes) => {
                for some in bytes.chunks(MAX_PAYLOAD) {
                    frame(out, Kind::Input as u8, some);
                }
            }
            Self::Break => frame(out, Kind::Break as u8, &[]),
            Self::Detach(detach) if is_default(detach) => frame(out, Kind::Detach as u8, &[]),
            Self::Detach(detach) => json_frame(out, Kind::Detach as u8, detach),
            Self::Status => frame(out, Kind::Status as u8, &[]),
            Self::Log(log) => json_frame(out, Kind::Log as u8, log),
            Self::Kick(kick) => json_frame(out, Kind::Kick as u8, kick),
            Self::Window(window) => json_frame(out, Kind::Window as u8, window),
            Self::Accept(accept) => json_frame(out, Kind::Accept as u8, accept),
        }
    }

    #[inline]
    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        use RequestKind as Kind;
        match Kind::from_byte(kind)? {
            Kind::Hello => json(kind, payload).map(Self::Hello),
            Kind::Attach => json(kind, payload).map(Self::Attach),
            Kind::Input => Ok(Self::Input(payload.to_vec())),
            Kind::Break => empty(kind, payload, Self::Break),
            Kind::Detach if payload.is_empty() => Ok(Self::Detach(DetachRequest::default())),
            Kind::Detach => json(kind, payload).map(Self::Detach),
            Kind::Status => empty(kind, payload, Self::Status),
            Kind::Log => json(kind, payload).map(Self::Log),
            Kind::Kick => json(kind, payload).map(Self::Kick),
            Kind::Window => json(kind, payload).map(Self::Window),
            Kind::Accept => json(kind, payload).map(Self::Accept),
        }
    }
}

impl Frame for Event {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        use EventKind as Kind;
        match self {
            Self::Welcome(welcome) => json_frame(out, Kind::Welcome as u8, welcome),
            Self::Attached(attached) => json_frame(out, Kind::Attached as u8, attached),
            Self::Output { offset, bytes } => {
                let mut offset = *offset;
                for some in bytes.chunks(OUTPUT_MAX) {
                    let (header, some) = output_frame(offset, some);
                    out.extend_from_slice(&header);
                    out.extend_from_slice(some);
                    // Wrapping: the offset may be a peer's, which can say anything.
                    offset = offset.wrapping_add(some.len() as u64);
                }
            }
            Self::Hole(hole) => json_frame(out, Kind::Hole as u8, hole),
            Self::Ended(end) => json_frame(out, Kind::Ended as u8, end),
            Self::Refused(refused) => json_frame(out, Kind::Refused as u8, refused),
            Self::Status(status) => json_frame(out, Kind::StatusIs as u8, status),
            Self::LogEnd(end) => json_frame(out, Kind::LogEnd as u8, end),
            Self::Standing(change) => json_frame(out, Kind::Standing as u8, change),
            Self::Done => frame(out, Kind::Done as u8, &[]),
            Self::Error(error) => json_frame(out, Kind::Error as u8, error),
        }
    }

    #[inline]
    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        use EventKind as Kind;
        match Kind::from_byte(kind)? {
            Kind::Welcome => json(kind, payload).map(Self::Welcome),
            Kind::Attached => json(kind, payload).map(Self::Attached),
            Kind::Output => match payload.split_first_chunk() {
                Some((offset, bytes)) => {
                    Ok(Self::Output { offset: u64::from_le_bytes(*offset), bytes: bytes.to_vec() })
                }
                None => Err(WireError::Malformed { kind, reason: "it has no offset".into() }),
            },
            Kind::Hole => json(kind, payload).map(Self::Hole),
            Kind::Ended => json(kind, payload).map(Self::Ended),
            Kind::Refused => json(kind, payload).map(Self::Refused),
            Kind::StatusIs => json(kind, payload).map(Self::Status),
            Kind::LogEnd => json(kind, payload).map(Self::LogEnd),
            Kind::Standing => json(kind, payload).map(Self::Standing),
            Kind::Done => empty(kind, payload, Self::Done),
            Kind::Error => json(kind, payload).map(Self::Error),
        }
    }
}

/// The header of an [`Event::Output`] frame, and the bytes that belong into that frame: `bytes`, or its first
/// [`OUTPUT_MAX`] bytes if there are more. Use it to send output from where it lies, without a copy.
pub fn output_frame(offset: u64, bytes: &[u8]) -> ([u8; OUTPUT_HEADER], &[u8]) {
    let bytes = &bytes[..bytes.len().min(OUTPUT_MAX)];
    let mut header = [0; OUTPUT_HEADER];
    let (start, rest) = header.split_at_mut(HEADER);
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_PAYLOAD")]
    let length = (OFFSET + bytes.len()) as u32;
    start.copy_from_slice(&frame_header(length, EventKind::Output as u8));
    rest.copy_from_slice(&offset.to_le_bytes());
    (header, bytes)
}

fn frame_header(length: u32, kind: u8) -> [u8; HEADER] {
    let [a, b, c, d] = length.to_le_bytes();
    [a, b, c, d, kind]
}

/// Appends a frame, or an error frame in place of one that is too long.
fn frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    match u32::try_from(payload.len()) {
        Ok(length) if payload.len() <= MAX_PAYLOAD => {
            out.extend_from_slice(&frame_header(length, kind));
            out.extend_from_slice(payload);
        }
        _ => error_frame(out, "too-long", &format!("frame kind {kind:#04x} would be too long")),
    }
}

fn json_frame(out: &mut Vec<u8>, kind: u8, value: &impl Serialize) {
    match serde_json::to_vec(value) {
        Ok(json) => frame(out, kind, &json),
        // No frame of this crate does this: a plain struct with string keys can always be serialised.
        Err(_) => error_frame(out, "malformed", &format!("frame kind {kind:#04x} can't be serialised")),
    }
}

/// Appends the error frame that replaces a frame which can't be written. The arguments must need no JSON escapes. Then this
/// can't fail.
fn error_frame(out: &mut Vec<u8>, code: &str, message: &str) {
    frame(out, EventKind::Error as u8, format!(r#"{{"code":"{code}","message":"{message}"}}"#).as_bytes());
}

fn json<T: DeserializeOwned>(kind: u8, payload: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(payload).map_err(|error| {
        // It quotes the payload.
        let reason = Said::from(error.to_string().chars().take(QUOTE).collect::<String>());
        WireError::Malformed { kind, reason }
    })
}

fn empty<T>(kind: u8, payload: &[u8], value: T) -> Result<T, WireError> {
    if payload.is_empty() {
        Ok(value)
    } else {
        Err(WireError::Malformed {
            kind,
            reason: format!("{} bytes where none belong", payload.len()).into(),
        })
    }
}

#[cfg(test)]
mod tests;
