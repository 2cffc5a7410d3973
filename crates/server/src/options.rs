//! The options of a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::access::{Authorise, Peer, Role};
use vuart_endpoint::Mode;

/// What happens when a client connects to `NAME.sock` or opens `NAME.pty` while another session owns the console. Such a client
/// can't say what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RawPolicy {
    /// The new client is told who owns the console, and is sent away.
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

/// The options of a [`Server`](crate::Server).
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

    /// Sets whether the name of a peer's program is read from `/proc` (default: yes). It is shown for clients that do not name
    /// themselves. Beside the device for each session at a pseudo-terminal, it is the only file that a server opens for a client:
    /// switch it off in a process that may open none.
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
