//! The sockets and the pseudo-terminal that a console is served on.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::access::{Door, Listener, Role, SocketKind};
use crate::bound::{Bound, remove_stale};
use crate::claim::Claim;
use crate::entry::Entry;
use crate::error::ServeError;
use crate::pty::{Pty, PtyError};

/// The sockets and the pseudo-terminal that a console is served on. The sockets are created here, or handed in by another
/// program. Everything is open before [`Server::new`](crate::Server::new), which opens nothing.
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
/// // These two sockets only, and no `vm0.sock`.
/// let sockets = Sockets::of(claim).bind_control()?.bind_read_only()?;
/// let server = Server::new("vm0", console, sockets, ServerOptions::default())?;
/// # drop(server);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Sockets that are handed in
///
/// systemd opens the sockets of a service that has a `.socket` unit. Here the order is raw, read-only, control:
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
/// // Use the crate `listenfd`, before the process opens anything else.
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
/// A jailer does the same: it binds the sockets outside the jail, and the VMM inherits them. The server knows nothing about the
/// permissions of such a socket. So it refuses a peer of another user, whatever its groups, unless an
/// [authoriser](crate::ServerOptions::with_authoriser) gives it a role.
#[derive(Debug, Default)]
pub struct Sockets {
    pub(crate) pty: Option<Pty>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) claim: Option<Claim>,
    group: Option<(u32, Role)>,
}

impl Sockets {
    /// Creates all three sockets of a claimed name, for this user and root alone.
    ///
    /// # Errors
    ///
    /// When a socket can't be created.
    pub fn bind(claim: Claim) -> Result<Self, ServeError> {
        Self::of(claim).bind_raw()?.bind_read_only()?.bind_control()
    }

    /// Begins without sockets. Add some with the other methods. The files of the claimed name are removed with the server.
    pub fn of(claim: Claim) -> Self {
        Self { claim: Some(claim), ..Self::default() }
    }

    /// Opens the sockets that are bound *after* this call to a group. They get the group `gid` and mode 0660 instead of 0600,
    /// and their clients have at least this role. Call it before each socket that has another group or role:
    ///
    /// ```no_run
    /// # fn sockets(claim: vuart_server::Claim) -> Result<vuart_server::Sockets, vuart_server::ServeError> {
    /// use vuart_server::{Role, Sockets};
    ///
    /// let (watchers, operators) = (2000, 2001);
    /// Sockets::of(claim)
    ///     .with_group(watchers, Role::Spectator)
    ///     .bind_read_only()?
    ///     .with_group(operators, Role::Owner)
    ///     .bind_control()
    /// # }
    /// ```
    ///
    /// The server asks the kernel whether a peer is in the group, whatever the socket's mode has become meanwhile. Supplementary groups
    /// count. Where the kernel does not tell (before Linux 4.13, or if a filter refuses `getsockopt(2)`), those who are members by a
    /// supplementary group have no role. The members must be able to enter the directory as well: see
    /// [`RuntimeDir::create_shared`](crate::RuntimeDir::create_shared).
    #[must_use]
    pub fn with_group(self, gid: u32, role: Role) -> Self {
        Self { group: Some((gid, role)), ..self }
    }

    /// Creates the raw socket `NAME.sock`.
    ///
    /// # Errors
    ///
    /// When the socket can't be created, or no name is claimed.
    pub fn bind_raw(self) -> Result<Self, ServeError> {
        self.bind_named(SocketKind::Raw)
    }

    /// Creates the read-only socket `NAME.ro.sock`.
    ///
    /// # Errors
    ///
    /// When the socket can't be created, or no name is claimed.
    pub fn bind_read_only(self) -> Result<Self, ServeError> {
        self.bind_named(SocketKind::ReadOnly)
    }

    /// Creates the control socket `NAME.ctl`.
    ///
    /// # Errors
    ///
    /// When the socket can't be created, or no name is claimed.
    pub fn bind_control(self) -> Result<Self, ServeError> {
        self.bind_named(SocketKind::Control)
    }

    fn bind_named(mut self, kind: SocketKind) -> Result<Self, ServeError> {
        let entry = self.claim.as_ref().ok_or(ServeError::NoName)?.entry(kind);
        let fail = |source| ServeError::Bind { path: entry.path().to_owned(), source };
        let socket = bind(entry, self.group.map(|(gid, _)| gid)).map_err(fail)?;
        self.add(kind, socket, self.group, None);
        Ok(self)
    }

    /// Creates a raw socket at this path, whatever the name of the console.
    ///
    /// Clients and scripts may expect a path of its own for each console, as the option `socket=PATH` of a VMM gives it. No name is
    /// claimed for it, and no lock file is made:
    ///
    /// * The socket has mode 0600, whatever the umask is; or 0660 and the [group](Self::with_group).
    /// * A socket that a dead process of this user has left there is removed. One that a process still has open, a file, a link and
    ///   another user's socket stay, and this fails with `EADDRINUSE`. No connection is made to find that out. Servers that do this in one
    ///   directory at once wait for each other, for a second at the most.
    /// * The socket is removed with the server, unless another one has taken its place. For that it takes two file descriptors more. Do not
    ///   rename it: what is at the path then counts as this one.
    /// * Where the path is longer than a socket's address, its last part may have some 90 bytes.
    /// * The directory is not checked. If others may write it, they may put their socket in place of this one.
    ///
    /// It takes the place of `NAME.sock`: a server has one socket of each kind.
    ///
    /// ```
    /// use vuart_server::Sockets;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("vm0.serial");
    /// let sockets = Sockets::default().bind_raw_at(&path)?;
    /// # drop(sockets);
    /// # assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the socket can't be created.
    pub fn bind_raw_at(self, path: impl AsRef<Path>) -> Result<Self, ServeError> {
        self.bind_at(SocketKind::Raw, path.as_ref())
    }

    /// Creates a read-only socket at this path: see [`bind_raw_at`](Self::bind_raw_at).
    ///
    /// # Errors
    ///
    /// When the socket can't be created.
    pub fn bind_read_only_at(self, path: impl AsRef<Path>) -> Result<Self, ServeError> {
        self.bind_at(SocketKind::ReadOnly, path.as_ref())
    }

    /// Creates a control socket at this path: see [`bind_raw_at`](Self::bind_raw_at). `vuart attach PATH` finds it.
    ///
    /// # Errors
    ///
    /// When the socket can't be created.
    pub fn bind_control_at(self, path: impl AsRef<Path>) -> Result<Self, ServeError> {
        self.bind_at(SocketKind::Control, path.as_ref())
    }

    fn bind_at(mut self, kind: SocketKind, path: &Path) -> Result<Self, ServeError> {
        let fail = |source| ServeError::Bind { path: path.to_owned(), source };
        let entry = Entry::at(path).map_err(fail)?;
        let _removing = remove_stale(&entry).map_err(fail)?;
        let (socket, bound) = bind(&entry, self.group.map(|(gid, _)| gid))
            .and_then(|socket| Ok((socket, Bound::new(&entry)?)))
            .map_err(fail)?;
        self.add(kind, socket, self.group, Some(bound));
        Ok(self)
    }

    /// Opens a pseudo-terminal, and the link `NAME.pty` to it. Without a claimed name there is no link;
    /// [`Server::pty`](crate::Server::pty) returns the device.
    ///
    /// # Errors
    ///
    /// When the system has no pseudo-terminals, or none is left. The sockets are still there, so a VMM can serve without it.
    pub fn open_pty(&mut self) -> Result<(), PtyError> {
        let link = self.claim.as_ref().map(|claim| claim.entry(SocketKind::Pty).clone());
        self.pty = Some(Pty::open(link)?);
        Ok(())
    }

    /// Serves a pseudo-terminal that the VMM has made: it has told its users the path of the device, which stays the same for all
    /// sessions ([`Server::pty`](crate::Server::pty) returns it). With a claimed name, the link `NAME.pty` points to it.
    ///
    /// ```
    /// use rustix::pty::{OpenptFlags, openpt};
    /// use vuart_server::Sockets;
    ///
    /// // As the VMM does, before the guest runs.
    /// let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    /// let sockets = Sockets::default().with_pty(master)?;
    /// # drop(sockets);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It differs from [one of the server's own](Self::open_pty), because the server can't hang up on the programs that have it open:
    ///
    /// * Who opens it while another session owns the console watches, and owns it when that session has left; or takes it over, with
    ///   [`RawPolicy::TakeOver`](crate::RawPolicy::TakeOver). Who is evicted there waits in the same way, and has the console back.
    /// * Who is sent away for another reason (kicked, idle, no place, the end of the console) can go on only by opening the device
    ///   again. What it types is discarded and counted.
    /// * After each session the device is set back as far as the server can: modes, speed, window size, unread output. If a program
    ///   has made it exclusive (`TIOCEXCL`), only root can open it from then on.
    /// * Its permissions stay as they are. **Whoever may open it is served as this process's user.**
    ///
    /// The device becomes raw, and the master non-blocking. Close your own descriptor of the device: a session lasts until no process
    /// has it open. The server closes the master when it is dropped, which hangs up on the programs; keep a duplicate to prevent that.
    ///
    /// # Errors
    ///
    /// When this is no master of a pseudo-terminal, its device can't be found by its path, or no inotify instance is left.
    pub fn with_pty(mut self, master: OwnedFd) -> Result<Self, PtyError> {
        let link = self.claim.as_ref().map(|claim| claim.entry(SocketKind::Pty).clone());
        self.pty = Some(Pty::adopt(master, link)?);
        Ok(self)
    }

    /// Serves raw bytes on a socket that listens already.
    #[must_use]
    pub fn with_raw(mut self, listener: UnixListener) -> Self {
        self.add(SocketKind::Raw, listener, None, None);
        self
    }

    /// Serves output only, on a socket that listens already.
    #[must_use]
    pub fn with_read_only(mut self, listener: UnixListener) -> Self {
        self.add(SocketKind::ReadOnly, listener, None, None);
        self
    }

    /// Serves the framed protocol on a socket that listens already.
    #[must_use]
    pub fn with_control(mut self, listener: UnixListener) -> Self {
        self.add(SocketKind::Control, listener, None, None);
        self
    }

    /// Adds a listener, in place of an earlier one of the same kind.
    fn add(
        &mut self,
        kind: SocketKind,
        socket: UnixListener,
        group: Option<(u32, Role)>,
        bound: Option<Bound>,
    ) {
        self.listeners.retain(|listener| listener.door.kind != kind);
        self.listeners.push(Listener { bound, socket, door: Door { kind, group } });
    }
}

/// The longest queue of clients that have not been accepted. Who comes when it is full waits to be queued, or is told to try again
/// if that is asked for. So a flood can't put thousands of clients before the next one. The system has a limit of its own.
const BACKLOG: i32 = 256;

fn bind(entry: &Entry, group: Option<u32>) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    entry.bind(&socket, group)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}
