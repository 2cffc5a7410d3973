//! Why a console can't be served.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use vuart_scrollback::SleeperError;

use crate::pty::PtyError;

/// Whether an error says that there is no file descriptor or memory at present.
pub(crate) fn is_exhaustion(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

/// What to do about a path that is taken. A socket that a dead server has left was removed before.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            ": what is there is in use, or is no socket of this console's; choose another path, or remove it"
        }
        _ => "",
    }
}

/// Why a [`Server`](crate::Server) can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A socket can't be created.
    #[error("can't listen on {}: {source}{}", path.display(), advice(source))]
    Bind {
        /// The path of the socket.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// A socket was to be created, but there is no [`Claim`](crate::Claim) that gives it a path.
    #[error("no name is claimed for a socket to be made")]
    NoName,
    /// A socket that was handed in can't be used.
    #[error("can't use the socket that was handed in: {0}")]
    HandedIn(#[source] io::Error),
    /// The server can't sleep on the console's doorbell.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// The pseudo-terminal can't be opened.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// The epoll instance or the timer can't be made.
    #[error(
        "can't make the epoll instance and the timer of the console's server (is the limit on open files reached? see `ulimit -n`): {0}"
    )]
    EventLoop(#[source] io::Error),
}
