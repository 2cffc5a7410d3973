//! What can go wrong between a client and its server.

use std::io;
use std::path::PathBuf;

use vuart_endpoint::Refused;

use crate::error::{ErrorMessage, WireError};
#[cfg(doc)]
use crate::event::Event;
use crate::frame::VERSION;
use crate::runtime_dir::RuntimeDirError;

/// Why a client can't connect, or why its request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no such socket. [`RuntimeDir::names`](crate::RuntimeDir::names) lists the consoles that are there.
    #[error("there is no console at {}", path.display())]
    NotFound {
        /// The path of the missing socket.
        path: PathBuf,
    },
    /// There is a socket, and no process listens on it: its server has died.
    #[error("nobody serves {}: what served it has died", path.display())]
    NotServed {
        /// The socket.
        path: PathBuf,
    },
    /// The directory or the name can't be used.
    #[error(transparent)]
    Directory(#[from] RuntimeDirError),
    /// The path is that of something else.
    #[error("{} is {found}, and is not a socket of a console", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
        /// What is there: "a file", "a directory" and so on.
        found: &'static str,
    },
    /// No socket can have that path: it is too long, leads through a file, or leads in a circle.
    #[error("{} can't be the path of a console: {source}", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The process that serves the socket is of a user who is not to be trusted there. It may be an imitation of the console.
    #[error(
        "{} is served by uid {uid}, who is neither you nor root, and does not own its directory: it may be an imitation of a console",
        path.display()
    )]
    Imitation {
        /// The socket.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// The user may not connect to the socket.
    #[error("no permission for {}: it belongs to another user", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The socket's queue of clients is full, and stays full: the server hangs, is stopped, or is very busy.
    #[error("{} does not let anybody in; the process that serves it may be stopped", path.display())]
    Busy {
        /// The socket.
        path: PathBuf,
    },
    /// The connection can't be made.
    #[error("can't connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The connection broke, or the server closed it.
    #[error("the connection to the console was lost: {0}")]
    Lost(#[source] io::Error),
    /// The peer does not speak this protocol, or speaks another version of it.
    #[error("the server is not understood: {0}")]
    NotUnderstood(#[from] WireError),
    /// The server answered with an error.
    #[error("the server says: {}", .0.message)]
    Server(ErrorMessage),
    /// The session has not begun.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The server answered with a frame that does not fit the request: the [name](Event::name) of that frame.
    #[error("the server answered out of order, with {0}")]
    Unexpected(&'static str),
    /// The server speaks another version of the protocol.
    #[error("the server speaks version {0} of the protocol, and this program version {VERSION}")]
    Version(u32),
    /// The server sends, and takes nothing of what is sent to it. Only a hostile or broken server does that.
    #[error("the server takes nothing of what it is sent")]
    Deaf,
}
