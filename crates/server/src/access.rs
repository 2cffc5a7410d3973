//! Peers and roles: who may connect, and what each may do.

use std::fmt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use vuart_endpoint::Identity;
use vuart_peer::{Credentials, is_member};

use crate::bound::Bound;

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
    /// `NAME.pty`: a pseudo-terminal. Only this process's user and root may open it, or whoever may open
    /// [one of the VMM's own](crate::Sockets::with_pty). The process that opens it is not known.
    Pty,
}

/// A listening socket, and what it gives to its clients.
#[derive(Debug)]
pub(crate) struct Listener {
    // Dropped before the socket: a late client finds no file, instead of one without a listener.
    /// Its file, if that has no claimed name.
    #[expect(dead_code, reason = "dropping it removes the file")]
    pub(crate) bound: Option<Bound>,
    pub(crate) socket: UnixListener,
    pub(crate) door: Door,
}

/// What a client comes through: the kind of socket, and who is let in because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) kind: SocketKind,
    /// The group that it was opened to, and the role of its members.
    pub(crate) group: Option<(u32, Role)>,
}

/// This process as it was when its server was made. It does not ask again, so that no client costs a system call for that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) pid: u32,
}

impl Own {
    pub(crate) fn now() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            pid: std::process::id(),
        }
    }

    /// Whether a user may do everything at the console: this process's user, and root.
    fn is_us(self, uid: u32) -> bool {
        uid == 0 || uid == self.uid
    }
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
    /// The role of the socket's group, if the socket was [opened to one](crate::Sockets::with_group) and the peer is in it (perhaps by
    /// a supplementary group), or is this user or root. The kernel says so; the mode of the socket proves nothing.
    pub group_role: Option<Role>,
    /// It is this process's user, or root.
    pub(crate) is_us: bool,
}

/// Returns the role of a peer; `None` refuses it.
pub(crate) type Authorise = Arc<dyn Fn(&Peer) -> Option<Role> + Send + Sync>;

impl Peer {
    /// The peer that has come through this door. `programs` says whether its program's name is read.
    pub(crate) fn of(
        stream: &UnixStream,
        credentials: Credentials,
        door: Door,
        programs: bool,
        own: Own,
    ) -> Self {
        let Credentials { uid, gid, pid } = credentials;
        let program = pid
            .filter(|_| programs)
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
            .map(|program| program.trim().to_owned());
        Self {
            uid,
            gid,
            pid,
            program: program.unwrap_or_default(),
            socket: door.kind,
            group_role: door
                .group
                .filter(|(group, _)| own.is_us(uid) || belongs(stream, *group))
                .map(|(_, role)| role),
            is_us: own.is_us(uid),
        }
    }

    /// The programs that have opened the pseudo-terminal.
    pub(crate) fn at_pty(own: Own) -> Self {
        Self {
            uid: own.uid,
            gid: own.gid,
            pid: None,
            program: "pty".to_owned(),
            socket: SocketKind::Pty,
            group_role: None,
            is_us: true,
        }
    }

    /// The role that a peer has by default. This process's user, as it was when the server was made, and root are [`Admin`](Role::Admin). Others have the role of
    /// their socket's group, or none. [`ServerOptions::with_authoriser`](crate::ServerOptions::with_authoriser) overrides it.
    pub fn default_role(&self) -> Option<Role> {
        if self.is_us { Some(Role::Admin) } else { self.group_role }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::new(&self.program, self.uid, self.pid).with_gid(self.gid)
    }
}

/// Whether a peer is in a group. If the kernel does not tell, it is not.
fn belongs(stream: &UnixStream, group: u32) -> bool {
    is_member(stream, group).unwrap_or_else(|error| {
        log::warn!("can't ask for a client's groups, so it has no role by group {group}: {error}");
        false
    })
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
