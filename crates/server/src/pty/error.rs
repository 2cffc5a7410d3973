//! Why a console has no pseudo-terminal.

use std::io;
use std::path::PathBuf;

/// Why a pseudo-terminal can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtyError {
    /// The system has no pseudo-terminals.
    #[error("this system has no pseudo-terminals (/dev/ptmx: {0}); are /dev/ptmx and devpts there?")]
    Unavailable(#[source] io::Error),
    /// A pseudo-terminal was opened, but its device can't be found.
    #[error(
        "the pseudo-terminal's device {} can't be used: {source}; is devpts mounted on /dev/pts?",
        path.display()
    )]
    Device {
        /// The path of the device.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// No file descriptor or pseudo-terminal is left at the moment.
    #[error("no pseudo-terminal is left (see /proc/sys/kernel/pty/max and `ulimit -n`): {0}")]
    Exhausted(#[source] io::Error),
    /// inotify can't watch the device, so a program that opens it would not be noticed.
    #[error("can't watch a pseudo-terminal (see /proc/sys/fs/inotify/max_user_instances): {0}")]
    Watch(#[source] io::Error),
    /// The pseudo-terminal can't be set up.
    #[error("can't set up a pseudo-terminal: {0}")]
    Setup(#[source] io::Error),
    /// What was handed in is no master of a pseudo-terminal.
    #[error("what was handed in is no pseudo-terminal's master: {0}")]
    NotAMaster(#[source] io::Error),
    /// The link to the pseudo-terminal can't be created.
    #[error("can't make the link {}: {source}", path.display())]
    Link {
        /// The path of the link.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
}

impl PtyError {
    /// Whether another attempt may succeed.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }
}
