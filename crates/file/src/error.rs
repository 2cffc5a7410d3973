//! The reasons why a file is not opened.

use std::io;
use std::path::PathBuf;

/// Why a file is not opened. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refuses.
    #[error("can't open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The path is not a file's.
    #[error("{} is {found}, not a file: choose another name", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there: "a directory", "a link" and so on.
        found: &'static str,
    },
    /// Another user owns the file.
    #[error("{} belongs to uid {uid}, not to you: choose another file", path.display())]
    NotYours {
        /// The file.
        path: PathBuf,
        /// The file's owner.
        uid: u32,
    },
    /// The file has other names (hard links). Who made them may have meant another file.
    #[error("{} is {names} names of one file: choose another file", path.display())]
    OtherNames {
        /// The file.
        path: PathBuf,
        /// The number of its names.
        names: u64,
    },
    /// The file holds something else. It is not overwritten or appended to.
    #[error("{} is not {kind}: choose another file", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
    },
    /// The file is of the right kind and yours, and others may write it. They may have it open, and may have changed it.
    #[error("others may write {} (mode {mode:04o}): if you trust its content, `chmod 600` it, or choose another file", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is [locked](crate::Options::lock): another process, or another part of this one, writes it.
    #[error("{} is being written already: choose another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}
