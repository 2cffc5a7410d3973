//! The reasons why a trail is not saved.

use std::io;
use std::path::PathBuf;

use vuart_file::OpenError;
use vuart_scrollback::SleeperError;

/// A trail is not saved, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file can't be read.
    #[error("can't read the audit trail {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The file is not this user's alone, or holds no trail.
    #[error("can't save the audit trail: {0}")]
    File(#[source] OpenError),
    /// Another trail, of this process or another, is being saved there.
    #[error("another audit trail is being saved in {}: choose another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The limit is too small for a trail.
    #[error("an audit trail can't be kept within {limit} bytes: it takes {least} at the least")]
    Limit {
        /// The limit that was asked for, in bytes.
        limit: u64,
        /// The smallest limit, in bytes.
        least: u64,
    },
    /// There is no thread left to save it.
    #[error(
        "can't save the audit trail (is a limit on processes or open files reached? see `ulimit -a`): {0}"
    )]
    Thread(#[source] io::Error),
    /// The thread that saves has no place on the doorbell, or no file descriptor, to sleep until there is more.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// A line could not be written.
    #[error("can't write the audit trail: {0}")]
    Write(#[source] io::Error),
    /// The file has reached its share of the limit, and the next one can't be begun.
    #[error("can't begin another file of the audit trail in place of {}: {source}", path.display())]
    Rotate {
        /// The file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// What was written may not be on the disk yet.
    #[error("can't bring the audit trail to the disk: {0}")]
    Sync(#[source] io::Error),
    /// The file or pipe did not take the rest in time.
    #[error("the audit trail is not saved yet: what it is written to takes no more")]
    TimedOut,
    /// The thread that saves has panicked.
    #[error("the thread that saves the audit trail has panicked")]
    Panicked,
}
