//! Who may connect, and what they may do: roles.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use vuart_endpoint::Identity;

/// What a peer may do. Each may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Watch, read the history, see who is there.
    Spectator,
    /// Own the console, and take it over.
    Owner,
    /// Send others away.
    Admin,
}

/// What a peer came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketKind {
    /// `NAME.sock`: one byte is one byte.
    Raw,
    /// `NAME.ro.sock`: output alone.
    ReadOnly,
    /// `NAME.ctl`: the [framed protocol](vuart_wire).
    Control,
    /// `NAME.pty`: a pseudo-terminal. Whoever may open it is this process's user or root, and nobody knows which process it is.
    Pty,
}

/// Somebody who has connected, as the kernel knows them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// The user (effective).
    pub uid: u32,
    /// The group (effective). The others that the process is in are not known; for these see [`group_role`](Self::group_role).
    pub gid: u32,
    /// The process; `None` for one of another process namespace.
    pub pid: Option<u32>,
    /// The name of its program, which proves nothing; empty when it can't be had.
    pub program: String,
    /// What it came through.
    pub socket: SocketKind,
    /// The role that comes with the socket, when that was [opened to a group](crate::Sockets::for_group): the kernel has let
    /// the peer through, so it is in the group (also when that is one of its supplementary groups), or this user, or root.
    pub group_role: Option<Role>,
}

/// Answers what a peer may do; `None` is nothing at all.
pub(crate) type Authorise = Arc<dyn Fn(&Peer) -> Option<Role> + Send + Sync>;

impl Peer {
    pub(crate) fn of(
        stream: &UnixStream,
        socket: SocketKind,
        group_role: Option<Role>,
        programs: bool,
    ) -> io::Result<Self> {
        let credentials = getsockopt(stream, PeerCredentials)?;
        // Of another process namespace it is 0.
        let pid = u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0);
        let program = pid
            .filter(|_| programs)
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
            .map(|program| program.trim().to_owned());
        Ok(Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid,
            program: program.unwrap_or_default(),
            socket,
            group_role,
        })
    }

    /// Whoever has opened the pseudo-terminal.
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

    /// The role, unless the embedder [says otherwise](crate::ServerOptions::with_authoriser): this process's user and root
    /// are [`Admin`](Role::Admin); others have the role that their socket's group was given, or none.
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
