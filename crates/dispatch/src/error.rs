//! Why a thread can't start, and what it could not finish.

use std::error::Error;
use std::io;

/// Why a [`ServerThread`](crate::ServerThread) can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The event loop of the thread can't be made.
    #[error(
        "can't make the event loop of the console's thread (is the limit on open files reached? see `ulimit -n`): {0}"
    )]
    EventLoop(#[source] io::Error),
    /// The thread can't be started.
    #[error("can't start the console's thread (is the limit on processes reached? see `ulimit -u`): {0}")]
    Thread(#[source] io::Error),
    /// What was to run [first](crate::ServerThreadBuilder::on_start) on the thread has failed.
    #[error("the console's thread was not to start: {0}")]
    OnStart(#[source] Box<dyn Error + Send + Sync>),
    /// What was to run [first](crate::ServerThreadBuilder::on_start) on the thread has panicked.
    #[error("the console's thread has panicked at its start")]
    Panicked,
}

/// Not every client has received everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// A client has not read everything in time.
    #[error("a client has not read the end of the output in time")]
    Unread,
    /// The event loop has failed, and the service has ended early.
    #[error("the event loop of the console's server has failed: {0}")]
    EventLoop(#[source] io::Error),
    /// A part has panicked, and has not been served since; the others have. This is a bug of the part, or of an observer.
    #[error("a part on the thread of the console's server has panicked")]
    Panicked,
}
