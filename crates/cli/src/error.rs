//! What can go wrong, in words that say what to do, and the exit status that each has.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use vuart_audit::AuditError;
use vuart_endpoint::{End, Identity, Refused, Timestamp};
use vuart_scrollback::FileError;
use vuart_server::{ClaimError, ServeError};
use vuart_vmm::{BootError, RingError};
use vuart_wire::{ClientError, ErrorCode, RuntimeDirError};

use crate::exit::Exit;

/// Why a command failed. Shown as one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no console {name:?} in {}; `vuart list` shows those that there are", dir.display())]
    NoSuchConsole { name: String, dir: PathBuf },

    #[error("nobody serves the console {name:?}: what served it has died")]
    NotServed { name: String },

    #[error("{console} is held by {holder} since {since}; take it over with --force, or watch with --spy")]
    Held { console: String, holder: Identity, since: Timestamp },

    #[error("{console}: {ended}")]
    Over { console: String, ended: String },

    #[error("{console} is switched off since {since}")]
    Disabled { console: String, since: Timestamp },

    #[error("{console}: {end}; not all that was sent has reached the guest")]
    Cut { console: String, end: End },

    #[error("{console}: {end}")]
    Ended { console: String, end: End },

    #[error("{console}: the guest has taken nothing for {seconds} s")]
    NotTaken { console: String, seconds: u64 },

    #[error("the server of {console} has shut down; `vuart list` shows whether another has taken its place")]
    ShutDown { console: String },

    #[error("{0}{hint}", hint = Self::hint(.0))]
    Client(#[from] ClientError),

    #[error(transparent)]
    Directory(#[from] RuntimeDirError),

    #[error(transparent)]
    Claim(ClaimError),

    #[error("{0}; make room there, or set VUART_RUNTIME_DIR to another directory that you can write")]
    Lock(#[source] ClaimError),

    #[error("{0}; make room there, or set VUART_RUNTIME_DIR to another directory that you can write")]
    Bind(#[source] ServeError),

    #[error(transparent)]
    Serve(ServeError),

    #[error("can't make a private directory for the tour: {0}; set TMPDIR to a directory that you can write")]
    TemporaryDirectory(#[source] io::Error),

    #[error("no free name from {first} to {last}; choose one with --name")]
    NoFreeName { first: String, last: String },

    #[error("{0}; without KVM: vuart demo --engine software")]
    Kvm(#[source] vuart_vmm::Error),

    #[error(transparent)]
    Machine(vuart_vmm::Error),

    #[error(transparent)]
    Boot(BootError),

    #[error("--fill takes one FILE")]
    OneFile,

    #[error("{}: {source}", path.display())]
    Ring { path: PathBuf, source: FileError },

    #[error("can't open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },

    #[error(transparent)]
    DemoRing(#[from] RingError),

    #[error("can't write the trace to {}: {source}", path.display())]
    Trace { path: PathBuf, source: io::Error },

    #[error(transparent)]
    Audit(Arc<AuditError>),

    #[error("can't write manual pages to {}: {source}", path.display())]
    Manual { path: PathBuf, source: io::Error },

    #[error("can't read standard input: {0}")]
    Stdin(#[source] io::Error),

    #[error("can't write to standard output: {0}")]
    Stdout(#[source] io::Error),

    #[error("can't set the terminal up: {0}")]
    Terminal(#[source] Errno),

    #[error("can't {operation} (is a limit on processes or open files reached? see `ulimit -a`): {source}")]
    Host { operation: &'static str, source: io::Error },

    #[error("a check of the demo has failed; this is a bug, please report it with what is printed above")]
    CheckFailed,
}

impl From<ServeError> for Error {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Bind { .. } => Self::Bind(error),
            error => Self::Serve(error),
        }
    }
}

impl From<BootError> for Error {
    fn from(error: BootError) -> Self {
        match error {
            BootError::Serve(error) => error.into(),
            BootError::Machine(error) => Self::Machine(error),
            error => Self::Boot(error),
        }
    }
}

impl From<ClaimError> for Error {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Lock { .. } => Self::Lock(error),
            ClaimError::Directory(error) => Self::Directory(error),
            error => Self::Claim(error),
        }
    }
}

impl Error {
    /// What the command adds to what its library says.
    fn hint(error: &ClientError) -> &'static str {
        match error {
            ClientError::NotFound { .. } => "; `vuart list` shows those that there are",
            _ => "",
        }
    }

    /// Why there is no session.
    pub(crate) fn refused(refused: Refused, console: String) -> Self {
        match refused {
            Refused::Held { holder, since } => Self::Held { console, holder, since },
            Refused::Ended { end } => Self::Over { console, ended: end.to_string() },
            Refused::Disabled { since } => Self::Disabled { console, since },
            other => ClientError::Refused(other).into(),
        }
    }

    /// The exit status that tells scripts what went wrong.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::OneFile => Exit::Usage,
            Self::Ring { source, .. } | Self::DemoRing(RingError::Ring { source, .. }) => match source {
                FileError::Layout(_) => Exit::Usage,
                FileError::InUse => Exit::InUse,
                FileError::OnDisk => Exit::NotPermitted,
                _ => Exit::Failure,
            },
            Self::Open { source, .. } | Self::DemoRing(RingError::Open { source, .. }) => match source.kind()
            {
                io::ErrorKind::PermissionDenied => Exit::NotPermitted,
                _ => Exit::Failure,
            },
            Self::Audit(error) => match &**error {
                AuditError::InUse { .. } => Exit::InUse,
                AuditError::NotOurs { .. } => Exit::NotPermitted,
                AuditError::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                    Exit::NotPermitted
                }
                _ => Exit::Failure,
            },
            Self::NoSuchConsole { .. } | Self::NotServed { .. } | Self::Over { .. } => Exit::NoConsole,
            Self::Held { .. } | Self::NoFreeName { .. } | Self::Claim(ClaimError::Taken { .. }) => {
                Exit::InUse
            }
            Self::ShutDown { .. } => Exit::Lost,
            Self::Disabled { .. } => Exit::Disabled,
            Self::NotTaken { .. } => Exit::NotTaken,
            Self::Cut { end, .. } | Self::Ended { end, .. } => Exit::of(&end.cause),
            Self::Client(error) => match error {
                ClientError::NotFound { .. } | ClientError::NotServed { .. } => Exit::NoConsole,
                ClientError::Forbidden { .. } | ClientError::Refused(Refused::Forbidden) => {
                    Exit::NotPermitted
                }
                ClientError::Server(error) if error.code == ErrorCode::Forbidden => Exit::NotPermitted,
                ClientError::Server(error) if error.code == ErrorCode::NoSession => Exit::NoConsole,
                ClientError::Lost(_) => Exit::Lost,
                _ => Exit::Failure,
            },
            Self::Directory(error) => match error {
                RuntimeDirError::BadName { .. } => Exit::Usage,
                _ => Exit::NotPermitted,
            },
            Self::Lock(_)
            | Self::Bind(_)
            | Self::TemporaryDirectory(_)
            | Self::DemoRing(RingError::NotPrivate { .. })
            | Self::Kvm(vuart_vmm::Error::KvmPermission) => Exit::NotPermitted,
            _ => Exit::Failure,
        }
    }

    /// The line for standard error. A cause that the message does not have yet is put behind it.
    pub(crate) fn line(&self) -> String {
        let mut line = self.to_string();
        let mut error: &dyn std::error::Error = self;
        while let Some(source) = error.source() {
            let cause = source.to_string();
            if !line.contains(&cause) {
                line = format!("{line}: {cause}");
            }
            error = source;
        }
        line
    }
}
