//! Peers and roles: who may connect, and what each may do.

use std::fmt;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt::PeerCredentials};

use vuart_endpoint::Identity;

/// What a peer may do. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Watches, reads the history, sees who is there.
    Spectator,
    /// Owns the console, and takes it over.
    Owner,
    /// Ends the sessions of others.
    Admin,
}

/// The kind of socket that a peer has connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketKind {
    /// `NAME.sock`: raw bytes.
    Raw,
    /// `NAME.ro.sock`: output only.
    ReadOnly,
    /// `NAME.ctl`: the [framed protocol](vuart_wire).
    Control,
    /// `NAME.pty`: a pseudo-terminal. Only this process's user and root may open it. The process that opens it is not known.
    Pty,
}

/// A listening socket, and what it gives to its clients.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: UnixListener,
    pub(crate) kind: SocketKind,
    pub(crate) group_role: Option<Role>,
}

/// A process that has connected, as the kernel describes it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// The effective user.
    pub uid: u32,
    /// The effective group. Supplementary groups are not known; for these see [`group_role`](Self::group_role).
    pub gid: u32,
    /// The process, or `None` if it is in another process namespace.
    pub pid: Option<u32>,
    /// The name of its program, which proves nothing. Empty when it can't be read.
    pub program: String,
    /// The kind of socket.
    pub socket: SocketKind,
    /// The role of the socket's group, if the socket was [opened to one](crate::Sockets::with_group). The kernel has let the
    /// peer connect, so it is in the group (perhaps by a supplementary group), or it is this user or root.
    pub group_role: Option<Role>,
}

/// Returns the role of a peer; `None` refuses it.
pub(crate) type Authorise = Arc<dyn Fn(&Peer) -> Option<Role> + Send + Sync>;

/// What the kernel says about the process at the other end of a socket. To ask costs little, so it comes before all else.
pub(crate) fn credentials(stream: &UnixStream) -> io::Result<UnixCredentials> {
    Ok(getsockopt(stream, PeerCredentials)?)
}

impl Peer {
    /// The peer that has connected to a listener. `programs` says whether its program's name is read.
    pub(crate) fn of(credentials: &UnixCredentials, listener: &Listener, programs: bool) -> Self {
        // 0 stands for a process of another namespace.
        let pid = u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0);
        let program = pid
            .filter(|_| programs)
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
            .map(|program| program.trim().to_owned());
        Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid,
            program: program.unwrap_or_default(),
            socket: listener.kind,
            group_role: listener.group_role,
        }
    }

    /// The programs that have opened the pseudo-terminal.
    pub(crate) fn at_pty() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            pid: None,
            program: "pty".to_owned(),
            socket: SocketKind::Pty,
            group_role: None,
        }
    }

    /// The role that a peer has by default. This process's user and root are [`Admin`](Role::Admin). Others have the role of
    /// their socket's group, or none. [`ServerOptions::with_authoriser`](crate::ServerOptions::with_authoriser) overrides it.
    pub fn default_role(&self) -> Option<Role> {
        if self.uid == rustix::process::geteuid().as_raw() || self.uid == 0 {
            Some(Role::Admin)
        } else {
            self.group_role
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::new(&self.program, self.uid, self.pid).with_gid(self.gid)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spectator => "spectator",
            Self::Owner => "owner",
            Self::Admin => "admin",
        })
    }
}
