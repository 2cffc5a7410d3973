//! What a server does as its embedder says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::access::{Authorise, Peer, Role};
use vuart_endpoint::Mode;

/// What becomes of somebody who comes to a console that another owns, by a way on which they can't say what they want:
/// `NAME.sock` or `NAME.pty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RawPolicy {
    /// They are told who owns it, and sent away.
    #[default]
    Refuse,
    /// They own it; who did is evicted and told so. Programs that reconnect by themselves then evict each other for ever:
    /// have none.
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

/// How a [`Server`](crate::Server) serves.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    pub(crate) clients: usize,
    pub(crate) handshake: Duration,
    pub(crate) raw: RawPolicy,
    pub(crate) programs: bool,
    pub(crate) authorise: Authorise,
}

impl ServerOptions {
    /// How many clients there may be at once, unless [said otherwise](Self::with_clients).
    pub const CLIENTS: usize = 64;

    /// How long a client of the control socket may take to introduce itself, unless [said otherwise](Self::with_handshake).
    pub const HANDSHAKE: Duration = Duration::from_secs(10);

    /// The most clients at once. When there are as many and another comes, one that has neither a session nor asked for
    /// anything gives way, the one that has been silent longest; if there is none, the newcomer is sent away.
    #[must_use]
    pub fn with_clients(self, clients: usize) -> Self {
        Self { clients, ..self }
    }

    /// How long a client of the control socket may take to introduce itself.
    #[must_use]
    pub fn with_handshake(self, handshake: Duration) -> Self {
        Self { handshake, ..self }
    }

    /// What becomes of those who come to `NAME.sock` or `NAME.pty` while somebody owns the console.
    #[must_use]
    pub fn with_raw(self, raw: RawPolicy) -> Self {
        Self { raw, ..self }
    }

    /// Whether the name of a peer's program is read from `/proc`, for want of a better one. It is the only file that a server
    /// opens for a client: a process that may open none says no. It is read unless said.
    #[must_use]
    pub fn with_program_names(self, programs: bool) -> Self {
        Self { programs, ..self }
    }

    /// Says what each peer may do, in place of [`Peer::default_role`]. It is called on the server's thread and must not block.
    ///
    /// ```
    /// use vuart_server::{Role, ServerOptions, SocketKind};
    ///
    /// // Root watches here, like everybody else who may connect; only this user owns.
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
            programs: true,
            authorise: Arc::new(Peer::default_role),
        }
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, handshake, raw, programs, authorise: _ } = self;
        f.debug_struct("ServerOptions")
            .field("clients", clients)
            .field("handshake", handshake)
            .field("raw", raw)
            .field("programs", programs)
            .finish_non_exhaustive()
    }
}
