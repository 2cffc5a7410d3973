//! Why a trail is not saved.

use std::io;
use std::path::PathBuf;

use vuart_scrollback::SleeperError;

/// Why a trail is not saved, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file can't be opened or made.
    #[error("can't open the audit trail {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something else by that name, or somebody else could write it.
    #[error("{} is no file, belongs to another user or can be written by others: choose another file for the audit trail", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Another process, or another trail of this one, is saved there.
    #[error("another audit trail is being saved in {}: choose another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// No trail can be kept within that limit.
    #[error("an audit trail can't be kept within {limit} bytes: it takes {least} at the least")]
    Limit {
        /// What was asked for.
        limit: u64,
        /// What is possible.
        least: u64,
    },
    /// There is no thread or event for it.
    #[error(
        "can't save the audit trail (is a limit on processes or open files reached? see `ulimit -a`): {0}"
    )]
    Thread(#[source] io::Error),
    /// The thread that saves can't sleep until there is more.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// A line could not be written.
    #[error("can't write the audit trail: {0}")]
    Write(#[source] io::Error),
    /// The file is full by its limit, and the next one can't be begun.
    #[error("can't begin another file of the audit trail in place of {}: {source}", path.display())]
    Rotate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was written may not be on the disk.
    #[error("can't bring the audit trail to the disk: {0}")]
    Sync(#[source] io::Error),
    /// What the trail is written to did not take the rest in time.
    #[error("the audit trail is not saved yet: what it is written to takes no more")]
    TimedOut,
    /// The thread that saves has gone.
    #[error("the thread that saves the audit trail has panicked")]
    Panicked,
}
