//! How a connection that the VMM has already comes to a server.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use vuart_endpoint::Console;
use vuart_peer::Credentials;

use crate::access::{Door, SocketKind};

/// The most connections that wait until the server's thread looks after them.
const QUEUED: usize = 64;

/// Why a connection is not adopted. It is closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The kernel does not know a peer: it is no Unix socket, or is not connected.
    #[error(
        "the socket has no peer that the kernel knows; only a connected Unix stream socket can be adopted: {0}"
    )]
    NoPeer(#[source] io::Error),
    /// A connection is no pseudo-terminal.
    #[error("a connection can't be served as a pseudo-terminal; see Sockets::with_pty")]
    Pty,
    /// The server's thread has not come to look after earlier ones yet.
    #[error("{QUEUED} connections wait for the server's thread already")]
    Busy,
    /// There is no server any more.
    #[error("the console's server has ended")]
    Gone,
}

/// Gives a server connections that are there already: [`Server::adopter`](crate::Server::adopter) makes one. It is for any thread, while
/// the server belongs to its event loop or to its thread.
#[derive(Debug, Clone)]
pub struct Adopter {
    queue: Weak<Queue>,
    console: Console,
}

/// The connections that wait for the server's thread.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<VecDeque<Adopted>>);

/// A connection that waits for the server's thread.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) stream: UnixStream,
    pub(crate) credentials: Credentials,
    pub(crate) door: Door,
}

impl Adopter {
    pub(crate) fn new(queue: &Arc<Queue>, console: Console) -> Self {
        Self { queue: Arc::downgrade(queue), console }
    }

    /// Serves a connection as if its client had come through a socket of this kind. It returns at once; the server's thread admits the
    /// client, or tells it why not.
    ///
    /// The rules are those of the sockets. The kernel says who the client is: the process that has connected, or that has made the
    /// socket pair. Its user has the role that [`Peer::default_role`](crate::Peer::default_role) or the
    /// [authoriser](crate::ServerOptions::with_authoriser) gives it, needs one of the places, and waits if its clients come too fast. **So
    /// who gets the other end of a socket pair that this process has made is an admin**, unless the authoriser says otherwise, or the kind
    /// is [`ReadOnly`](SocketKind::ReadOnly).
    ///
    /// The socket may be blocking or not.
    ///
    /// # Errors
    ///
    /// See [`AdoptError`]. The connection is closed then.
    pub fn adopt(&self, stream: UnixStream, kind: SocketKind) -> Result<(), AdoptError> {
        if kind == SocketKind::Pty {
            return Err(AdoptError::Pty);
        }
        let queue = self.queue.upgrade().ok_or(AdoptError::Gone)?;
        let credentials = Credentials::of(&stream).map_err(AdoptError::NoPeer)?;
        // The server knows nothing of a group that this socket was opened to.
        let door = Door { kind, group: None };
        queue.push(Adopted { stream, credentials, door })?;
        self.console.doorbell().ring();
        Ok(())
    }
}

impl Queue {
    fn push(&self, adopted: Adopted) -> Result<(), AdoptError> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= QUEUED {
            return Err(AdoptError::Busy);
        }
        queue.push_back(adopted);
        Ok(())
    }

    /// Takes the connection that waits longest.
    pub(crate) fn pop(&self) -> Option<Adopted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
