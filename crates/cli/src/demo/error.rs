//! The errors that only the demo has.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use vuart::audit::AuditError;
use vuart::server::{ClaimError, ServeError};
use vuart_vmm::{BootError, RingError};

use crate::exit::Exit;

/// The reason why the demo failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
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

    #[error(transparent)]
    Ring(#[from] RingError),

    #[error("can't write the trace to {}: {source}", path.display())]
    Trace { path: PathBuf, source: io::Error },

    #[error(transparent)]
    Audit(Arc<AuditError>),

    #[error("a check of the demo has failed; this is a bug, please report it with what is printed above")]
    CheckFailed,
}

impl From<ServeError> for DemoError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Bind { .. } => Self::Bind(error),
            error => Self::Serve(error),
        }
    }
}

impl From<BootError> for DemoError {
    fn from(error: BootError) -> Self {
        match error {
            BootError::Serve(error) => error.into(),
            BootError::Machine(error) => Self::Machine(error),
            error => Self::Boot(error),
        }
    }
}

impl From<ClaimError> for DemoError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Lock { .. } => Self::Lock(error),
            error => Self::Claim(error),
        }
    }
}

impl DemoError {
    /// The exit status that tells scripts what went wrong.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Ring(error) => match error {
                RingError::Ring { source, .. } => Exit::of_ring_file(source),
                RingError::Open { source, .. } => Exit::of_open(source),
                RingError::NotPrivate { .. } => Exit::NotPermitted,
                _ => Exit::Failure,
            },
            Self::Audit(error) => match &**error {
                AuditError::InUse { .. } => Exit::InUse,
                AuditError::NotOurs { .. } => Exit::NotPermitted,
                AuditError::Open { source, .. } => Exit::of_open(source),
                _ => Exit::Failure,
            },
            Self::Claim(ClaimError::Directory(error)) => Exit::of_runtime_dir(error),
            Self::NoFreeName { .. } | Self::Claim(ClaimError::Taken { .. }) => Exit::InUse,
            Self::Lock(_)
            | Self::Bind(_)
            | Self::TemporaryDirectory(_)
            | Self::Kvm(vuart_vmm::Error::KvmPermission) => Exit::NotPermitted,
            _ => Exit::Failure,
        }
    }
}
