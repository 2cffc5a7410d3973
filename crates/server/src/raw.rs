//! How the clients are served that can't say what they want: those of the raw socket, the read-only socket and the pseudo-terminal.

use vuart_endpoint::Mode;
use vuart_scrollback::Position;

/// What happens when a client connects to `NAME.sock` or opens `NAME.pty` while another session owns the console. Such a client
/// can't say what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RawPolicy {
    /// The new client is told who owns the console, and is sent away. From a terminal that
    /// [the VMM has made](crate::Sockets::with_pty) it can't be, so there it waits in line.
    #[default]
    Refuse,
    /// The new client takes the console over, and the owner is evicted. Do not use it with programs that reconnect by
    /// themselves: they would evict each other for ever.
    TakeOver,
}

impl RawPolicy {
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::Refuse => Mode::Exclusive,
            Self::TakeOver => Mode::TakeOver,
        }
    }
}

/// What a client of `NAME.sock`, `NAME.ro.sock` or `NAME.pty` is sent first, of what the guest has written before the client came. The
/// live output follows it without a gap.
///
/// Each client gets the same: to read the history does not use it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RawReplay {
    /// Nothing: the client gets what the guest writes from now on.
    #[default]
    None,
    /// Everything that the ring has.
    All,
    /// The newest bytes, so many or as many as the ring has.
    Bytes(u64),
    /// The newest text lines, so many or as many as the ring has: see
    /// [`Position::NewestLines`]. To find them, the ring is searched for each client, from its
    /// end back to the first of them.
    Lines(u64),
    /// The newest boot, as far as the ring has it. Without [marked boots](vuart_scrollback::Writer::mark), everything.
    Boot,
}

impl RawReplay {
    fn position(self) -> Position {
        match self {
            Self::None => Position::End,
            Self::All => Position::Oldest,
            Self::Bytes(bytes) => Position::Newest(bytes),
            Self::Lines(lines) => Position::NewestLines(lines),
            Self::Boot => Position::Boot,
        }
    }
}

/// How one client without a protocol is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawStart {
    pub(crate) mode: Mode,
    pub(crate) replay: Position,
    /// The server may write text of its own into the stream.
    pub(crate) notices: bool,
}

impl RawStart {
    pub(crate) fn new(mode: Mode, replay: RawReplay, notices: bool) -> Self {
        Self { mode, replay: replay.position(), notices }
    }
}
