//! Why a console can't be put on what the VMM has.

use std::io;

use vuart_endpoint::Refused;
use vuart_file::OpenError;
use vuart_scrollback::SleeperError;

/// A [`Local`](crate::Local) can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The descriptor is not open, or no descriptor is left for a copy of it.
    #[error("can't use the descriptor of the console's {what}: {source}")]
    Descriptor {
        /// "input" or "output".
        what: &'static str,
        /// The underlying error.
        source: io::Error,
    },
    /// The file is not opened.
    #[error(transparent)]
    File(#[from] OpenError),
    /// The file can't be looked at or made empty.
    #[error("can't prepare the console's file: {0}")]
    Prepare(#[source] io::Error),
    /// The terminal's settings can't be read or changed.
    #[error("can't make the terminal raw: {0}")]
    Terminal(#[source] io::Error),
    /// No descriptor is left for the epoll instance or the timer.
    #[error("no epoll instance or timer for the console: {0}")]
    Poll(#[source] io::Error),
    /// No descriptor or no place is left to wait for the guest.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// The console refuses the session: it has ended, or is switched off.
    #[error("the console refuses its local session: {0}")]
    Refused(#[from] Refused),
}

/// Not everything has been delivered: see [`Local::finish`](crate::Local::finish).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// The output took longer than the caller's patience.
    #[error("the console's output has not taken the last {0} bytes in time")]
    TimedOut(u64),
    /// The output has ended before it: its reader has gone, or its file is full.
    #[error("the console's output has ended before the last {0} bytes")]
    Ended(u64),
    /// The system refuses to wait.
    #[error("can't wait for the console's output: {0}")]
    Wait(#[source] io::Error),
}
