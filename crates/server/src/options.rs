//! The options of a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::access::{Authorise, Peer, Role};
use crate::raw::{RawPolicy, RawReplay, RawStart};
use vuart_endpoint::Mode;

/// The options of a [`Server`](crate::Server).
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    pub(crate) clients: usize,
    pub(crate) handshake: Duration,
    pub(crate) raw: RawPolicy,
    pub(crate) raw_replay: RawReplay,
    pub(crate) raw_notices: bool,
    pub(crate) programs: bool,
    pub(crate) authorise: Authorise,
}

impl ServerOptions {
    /// The default of [`with_clients`](Self::with_clients).
    pub const CLIENTS: usize = 64;

    /// The default of [`with_handshake`](Self::with_handshake).
    pub const HANDSHAKE: Duration = Duration::from_secs(10);

    /// Sets the most clients at once (default: [`CLIENTS`](Self::CLIENTS)). When there are as many and another connects, a client
    /// of the user who holds most places gives way, if that user has more of them than the newcomer's user would. Otherwise a
    /// client of a lower role gives way, or one without a session and without a request under way. Of several, the one goes that
    /// has the least to lose and has been silent longest. The owner of the console never gives way. If nobody does, the new client
    /// is sent away.
    ///
    /// Eight further places are kept for [admins](Role::Admin). A session that only watches or waits can't begin there, so admins can
    /// always see who is there, end a session, and take the console over.
    ///
    /// The number also says how often the clients of one user may come: four times as many and 64 more at once, and 64 in each
    /// second. Those who come sooner wait.
    #[must_use]
    pub fn with_clients(self, clients: usize) -> Self {
        Self { clients, ..self }
    }

    /// Sets how long a client of the control socket may take to introduce itself (default: [`HANDSHAKE`](Self::HANDSHAKE)).
    #[must_use]
    pub fn with_handshake(self, handshake: Duration) -> Self {
        Self { handshake, ..self }
    }

    /// Sets what happens when a client comes to `NAME.sock` or `NAME.pty` while another session owns the console.
    #[must_use]
    pub fn with_raw(self, raw: RawPolicy) -> Self {
        Self { raw, ..self }
    }

    /// Sets what a client of `NAME.sock`, `NAME.ro.sock` or `NAME.pty` is sent first, of what the guest has written before it came
    /// (default: [nothing](RawReplay::None)). A client of the control socket asks for what it wants.
    ///
    /// ```
    /// use vuart_server::{RawPolicy, RawReplay, ServerOptions};
    ///
    /// // The socket of a VMM that replays its buffer at connect, lets the newest client in, and writes nothing of its own.
    /// let options = ServerOptions::default()
    ///     .with_raw(RawPolicy::TakeOver)
    ///     .with_raw_replay(RawReplay::All)
    ///     .with_raw_notices(false);
    /// ```
    #[must_use]
    pub fn with_raw_replay(self, raw_replay: RawReplay) -> Self {
        Self { raw_replay, ..self }
    }

    /// Sets whether the server may write text of its own, `\r\n[vuart: ...]\r\n`, to the clients of `NAME.sock`, `NAME.ro.sock` and
    /// `NAME.pty` (default: yes). Such a text line says why a client is sent away, why its session ends, and how many bytes are lost.
    ///
    /// Without it they get the guest's bytes and nothing else, as scripts expect that were written for another VMM: who is refused or
    /// evicted finds the end of the stream, and a hole shows only in the counters ([`lagged_bytes`]). The log, observers and clients
    /// of the control socket are told as before.
    ///
    /// [`lagged_bytes`]: vuart_endpoint::Counters::lagged_bytes
    #[must_use]
    pub fn with_raw_notices(self, raw_notices: bool) -> Self {
        Self { raw_notices, ..self }
    }

    /// How a client without a protocol is served in this mode.
    pub(crate) fn raw_start(&self, mode: Mode) -> RawStart {
        RawStart::new(mode, self.raw_replay, self.raw_notices)
    }

    /// Sets whether the name of a peer's program is read from `/proc` (default: no). It is shown for clients that do not name
    /// themselves; without it they are "somebody", with their user and process. Beside the device for each session at a
    /// pseudo-terminal, it is the only file that a server opens for a client. So it is off: the seccomp filters of most VMMs kill for it.
    #[must_use]
    pub fn with_program_names(self, programs: bool) -> Self {
        Self { programs, ..self }
    }

    /// Sets the function that gives each peer its role, in place of [`Peer::default_role`]. It is called on the server's thread
    /// and must not block.
    ///
    /// ```
    /// use vuart_server::{Role, ServerOptions, SocketKind};
    ///
    /// // Root may only watch. All others have their default role.
    /// let options = ServerOptions::default().with_authoriser(|peer| match peer.uid {
    ///     0 => Some(Role::Spectator),
    ///     _ => peer.default_role(),
    /// });
    /// ```
    #[must_use]
    pub fn with_authoriser(self, authorise: impl Fn(&Peer) -> Option<Role> + Send + Sync + 'static) -> Self {
        Self { authorise: Arc::new(authorise), ..self }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            clients: Self::CLIENTS,
            handshake: Self::HANDSHAKE,
            raw: RawPolicy::default(),
            raw_replay: RawReplay::default(),
            raw_notices: true,
            programs: false,
            authorise: Arc::new(Peer::default_role),
        }
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, handshake, raw, raw_replay, raw_notices, programs, authorise: _ } = self;
        f.debug_struct("ServerOptions")
            .field("clients", clients)
            .field("handshake", handshake)
            .field("raw", raw)
            .field("raw_replay", raw_replay)
            .field("raw_notices", raw_notices)
            .field("programs", programs)
            .finish_non_exhaustive()
    }
}
