//! The two protocols of a connection: raw bytes, and frames.

use vuart_scrollback::Reader;
use vuart_wire::Decoder;

/// The protocol that a client speaks.
#[derive(Debug)]
pub(super) enum Protocol {
    /// Bytes: what a client sends is typed, and what it receives is output.
    Raw {
        /// The server may add text of its own. It stands in a text line of its own.
        notices: bool,
    },
    /// Frames: the client asks for everything.
    Framed(Framed),
}

/// The state of a framed connection.
#[derive(Debug, Default)]
pub(super) struct Framed {
    pub(super) decoder: Decoder,
    /// The client has introduced itself.
    pub(super) greeted: bool,
    /// The history that is being sent. Further requests wait for its end.
    pub(super) history: Option<History>,
}

/// A part of the history that is being sent.
#[derive(Debug)]
pub(super) struct History {
    pub(super) reader: Reader,
    /// The offset where it ends: the end of the output when the request was served.
    pub(super) until: u64,
    /// The number of bytes that may still be sent.
    pub(super) left: u64,
}

impl Protocol {
    /// The state of a framed connection.
    pub(super) fn framed(&self) -> Option<&Framed> {
        match self {
            Self::Raw { .. } => None,
            Self::Framed(framed) => Some(framed),
        }
    }

    pub(super) fn is_mute(&self) -> bool {
        self.framed().is_some_and(|framed| !framed.greeted)
    }

    pub(super) fn is_sending_history(&self) -> bool {
        self.framed().is_some_and(|framed| framed.history.is_some())
    }

    /// Whether a request has been received that is not served yet.
    pub(super) fn has_request(&self) -> bool {
        self.framed().is_some_and(|framed| framed.decoder.has_frame())
    }
}
