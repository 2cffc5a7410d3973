//! What a console is served on.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::Gid;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use crate::access::{Role, SocketKind};
use crate::claim::Claim;
use crate::pty::{Pty, PtyError};
use crate::server::ServeError;

/// A socket that listens, and what it means to come through it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: UnixListener,
    pub(crate) kind: SocketKind,
    pub(crate) group_role: Option<Role>,
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// What a console is served on: sockets that are made here, or that somebody else has made and handed in, and a
/// pseudo-terminal. All of it is there before [`Server::new`](crate::Server::new), which opens nothing any more.
///
/// ```
/// use vuart_endpoint::Console;
/// use vuart_server::{Claim, RuntimeDir, Server, ServerOptions, Sockets};
///
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path().join("vuart");
/// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
/// # let (console, _input) = Console::new(scrollback, || ());
/// let claim = Claim::new(&RuntimeDir::create(directory)?, "vm0")?;
/// // Only those two, and no `vm0.sock`.
/// let sockets = Sockets::of(claim).bind_control()?.bind_read_only()?;
/// let server = Server::new("vm0", console, sockets, ServerOptions::default())?;
/// # drop(server);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Handed in
///
/// systemd opens sockets for a service that has a `.socket` unit. In this one the order is raw, read-only, control:
///
/// ```ini
/// [Socket]
/// ListenStream=/run/vuart/vm0.sock
/// ListenStream=/run/vuart/vm0.ro.sock
/// ListenStream=/run/vuart/vm0.ctl
/// SocketMode=0600
/// ```
///
/// ```
/// use vuart_server::Sockets;
///
/// // The crate `listenfd`, before the process has opened anything else.
/// let mut handed_in = listenfd::ListenFd::from_env();
/// let mut sockets = Sockets::default();
/// if let Some(raw) = handed_in.take_unix_listener(0)? {
///     sockets = sockets.with_raw(raw);
/// }
/// if let Some(read_only) = handed_in.take_unix_listener(1)? {
///     sockets = sockets.with_read_only(read_only);
/// }
/// if let Some(control) = handed_in.take_unix_listener(2)? {
///     sockets = sockets.with_control(control);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A jailer does the same: it binds the sockets outside, and the VMM inherits them. Nothing is known of the permissions of
/// such a socket, so a peer of another user is refused, whatever its groups, unless an
/// [authoriser](crate::ServerOptions::with_authoriser) gives it a role.
#[derive(Debug, Default)]
pub struct Sockets {
    // The pseudo-terminal before the claim: dropped in this order, its link is removed while the name is still ours.
    pub(crate) pty: Option<Pty>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) claim: Option<Claim>,
    group: Option<(u32, Role)>,
}

impl Sockets {
    /// All three sockets of a claimed name, for this user and root alone.
    ///
    /// # Errors
    ///
    /// When a socket can't be made.
    pub fn bind(claim: Claim) -> Result<Self, ServeError> {
        Self::of(claim).bind_raw()?.bind_read_only()?.bind_control()
    }

    /// None yet. The claimed name's files go when the server does.
    pub fn of(claim: Claim) -> Self {
        Self { claim: Some(claim), ..Self::default() }
    }

    /// Opens the sockets that are bound after this to a group, by its number: they get that group and mode 0660 instead of
    /// 0600, and who comes through one has that role at least. Call it between them to give each its own:
    ///
    /// ```no_run
    /// # fn sockets(claim: vuart_server::Claim) -> Result<vuart_server::Sockets, vuart_server::ServeError> {
    /// use vuart_server::{Role, Sockets};
    ///
    /// let (watchers, operators) = (2000, 2001);
    /// Sockets::of(claim)
    ///     .for_group(watchers, Role::Spectator)
    ///     .bind_read_only()?
    ///     .for_group(operators, Role::Owner)
    ///     .bind_control()
    /// # }
    /// ```
    ///
    /// Whether a peer is in the group is for the kernel to say, when it connects, so that supplementary groups count. The
    /// members must be able to enter the directory as well; see [`RuntimeDir::create_shared`](crate::RuntimeDir::create_shared).
    #[must_use]
    pub fn for_group(self, gid: u32, role: Role) -> Self {
        Self { group: Some((gid, role)), ..self }
    }

    /// Adds `NAME.sock`.
    ///
    /// # Errors
    ///
    /// When it can't be made, or no name is claimed.
    pub fn bind_raw(self) -> Result<Self, ServeError> {
        self.bind_at(SocketKind::Raw, Claim::raw_socket)
    }

    /// Adds `NAME.ro.sock`.
    ///
    /// # Errors
    ///
    /// When it can't be made, or no name is claimed.
    pub fn bind_read_only(self) -> Result<Self, ServeError> {
        self.bind_at(SocketKind::ReadOnly, Claim::read_only_socket)
    }

    /// Adds `NAME.ctl`.
    ///
    /// # Errors
    ///
    /// When it can't be made, or no name is claimed.
    pub fn bind_control(self) -> Result<Self, ServeError> {
        self.bind_at(SocketKind::Control, Claim::control_socket)
    }

    fn bind_at(mut self, kind: SocketKind, path: fn(&Claim) -> &Path) -> Result<Self, ServeError> {
        let path = path(self.claim.as_ref().ok_or(ServeError::NoName)?);
        let fail = |source| ServeError::Bind { path: path.to_owned(), source };
        let socket = bind(path, self.group.map(|(gid, _)| gid)).map_err(fail)?;
        self.add(kind, socket, self.group.map(|(_, role)| role));
        Ok(self)
    }

    /// Adds a pseudo-terminal, at which `NAME.pty` points. Without a claimed name there is no such link;
    /// [`Server::pty`](crate::Server::pty) says which device it is.
    ///
    /// # Errors
    ///
    /// When the system has no pseudo-terminals, or none is left. Everything else is as it was, for whoever can do without.
    pub fn open_pty(&mut self) -> Result<(), PtyError> {
        let link = self.claim.as_ref().map(|claim| claim.pty_link().to_owned());
        self.pty = Some(Pty::open(link)?);
        Ok(())
    }

    /// Serves the raw protocol on a socket that listens already.
    #[must_use]
    pub fn with_raw(mut self, listener: UnixListener) -> Self {
        self.add(SocketKind::Raw, listener, None);
        self
    }

    /// Serves output alone on a socket that listens already.
    #[must_use]
    pub fn with_read_only(mut self, listener: UnixListener) -> Self {
        self.add(SocketKind::ReadOnly, listener, None);
        self
    }

    /// Serves the framed protocol on a socket that listens already.
    #[must_use]
    pub fn with_control(mut self, listener: UnixListener) -> Self {
        self.add(SocketKind::Control, listener, None);
        self
    }

    /// One of a kind: a later one takes the place of an earlier one.
    fn add(&mut self, kind: SocketKind, socket: UnixListener, group_role: Option<Role>) {
        self.listeners.retain(|listener| listener.kind != kind);
        self.listeners.push(Listener { socket, kind, group_role });
    }
}

/// The longest queue of clients that have not been accepted; the system has a limit of its own.
const BACKLOG: i32 = 4096;

fn bind(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Nobody can connect before it listens: there is no moment at which the umask decides who may.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    if let Some(gid) = group {
        rustix::fs::chown(path, None, Some(Gid::from_raw(gid)))?;
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}
