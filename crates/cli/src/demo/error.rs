//! The errors that only the demo has.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use vuart::audit::AuditError;
use vuart::server::{ClaimError, ServeError};
use vuart_vmm::{BootError, RingError};

use crate::exit::Exit;
use crate::signals::Signal;

/// The reason why the demo failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("{0}{more}", more = advice(matches!(.0, ClaimError::Lock { .. })))]
    Claim(#[from] ClaimError),

    #[error("can't make a private directory for the tour: {0}; set TMPDIR to a directory that you can write")]
    TemporaryDirectory(#[source] io::Error),

    #[error("no free name from {first} to {last}; choose one with --name")]
    NoFreeName { first: String, last: String },

    #[error("{0}; without KVM: vuart demo --engine software")]
    Kvm(#[source] vuart_vmm::Error),

    #[error(transparent)]
    Machine(vuart_vmm::Error),

    #[error("{0}{more}", more = advice(matches!(.0, BootError::Serve(ServeError::Bind { .. }))))]
    Boot(#[from] BootError),

    #[error(transparent)]
    Ring(#[from] RingError),

    #[error("process {pid} uses {}: end it, or choose another file with --ring", path.display())]
    RingInUse { path: PathBuf, pid: u32 },

    #[error("can't write the trace to {}: {source}", path.display())]
    Trace { path: PathBuf, source: io::Error },

    #[error(transparent)]
    Audit(Arc<AuditError>),

    /// A check of the tour has failed.
    #[error("a check of the demo has failed; this is a bug, please report it with what is printed above")]
    Check { expected: String, got: String },

    /// A signal ends the tour.
    #[error("{0}")]
    Interrupted(Signal),
}

/// What to do if no file can be made in the runtime directory.
fn advice(no_file: bool) -> &'static str {
    if no_file {
        "; make room there, or set VUART_RUNTIME_DIR to another directory that you can write"
    } else {
        ""
    }
}

impl DemoError {
    /// A check of the tour has failed.
    pub(super) fn check(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Check { expected: expected.into(), got: got.into() }
    }

    /// The exit status that tells scripts what went wrong.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Ring(RingError::Ring { source, .. }) => Exit::of_ring_file(source),
            Self::Ring(RingError::Open { source, .. }) => Exit::of_open(source),
            Self::Audit(error) => match &**error {
                AuditError::InUse { .. } => Exit::IN_USE,
                AuditError::NotOurs { .. } => Exit::NOT_PERMITTED,
                AuditError::Open { source, .. } => Exit::of_open(source),
                _ => Exit::FAILURE,
            },
            Self::Claim(ClaimError::Directory(error)) => Exit::of_runtime_dir(error),
            Self::RingInUse { .. } | Self::NoFreeName { .. } | Self::Claim(ClaimError::Taken { .. }) => {
                Exit::IN_USE
            }
            Self::Ring(RingError::NotPrivate { .. })
            | Self::Claim(ClaimError::Lock { .. })
            | Self::Boot(BootError::Serve(ServeError::Bind { .. }))
            | Self::TemporaryDirectory(_)
            | Self::Kvm(vuart_vmm::Error::KvmPermission) => Exit::NOT_PERMITTED,
            Self::Interrupted(signal) => Exit::signal(*signal),
            _ => Exit::FAILURE,
        }
    }
}
