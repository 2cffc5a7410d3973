//! The errors that only the demo has.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use vuart::audit::AuditError;
use vuart::server::{ClaimError, ServeError};
use vuart_file::OpenError;
use vuart_vmm::{BootError, RingError};

use crate::exit::Exit;
use crate::signals::Signal;

/// The reason why the demo failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("{0}{more}", more = advice(match .0 { ClaimError::Lock { source, .. } | ClaimError::File { source: OpenError::Open { source, .. }, .. } => Some(source), _ => None }))]
    Claim(#[from] ClaimError),

    #[error("can't make a private directory for the tour: {0}; set TMPDIR to a directory that you can write")]
    TemporaryDirectory(#[source] io::Error),

    #[error("no free name from {first} to {last}; choose one with --name")]
    NoFreeName { first: String, last: String },

    #[error("{0}; without KVM: vuart demo --engine software")]
    Kvm(#[source] vuart_vmm::Error),

    #[error(transparent)]
    Machine(vuart_vmm::Error),

    #[error("{0}{more}", more = advice(match .0 { BootError::Serve(ServeError::Bind { source, .. }) => Some(source), _ => None }))]
    Boot(#[from] BootError),

    #[error(transparent)]
    Ring(#[from] RingError),

    #[error("process {pid} uses {}: end it, or choose another file with --ring", path.display())]
    RingInUse { path: PathBuf, pid: u32 },
    #[error("can't write the trace: {0}")]
    TraceFile(#[source] OpenError),

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

/// What to do if a file can't be made in the runtime directory.
fn advice(error: Option<&io::Error>) -> &'static str {
    match error.map(io::Error::kind) {
        None => "",
        Some(io::ErrorKind::AddrInUse) => "; something else has that name there: choose another with --name",
        Some(_) => "; make room there, or set VUART_RUNTIME_DIR to another directory that you can write",
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
            Self::Ring(RingError { source, .. }) => Exit::of_ring_file(source),
            Self::TraceFile(error) | Self::Claim(ClaimError::File { source: error, .. }) => {
                Exit::of_opening(error)
            }
            Self::Audit(error) => match &**error {
                AuditError::InUse { .. } => Exit::IN_USE,
                AuditError::File(error) => Exit::of_opening(error),
                AuditError::Open { source, .. } => Exit::of_io(source),
                _ => Exit::FAILURE,
            },
            Self::Claim(ClaimError::Directory(error)) => Exit::of_runtime_dir(error),
            Self::RingInUse { .. } | Self::NoFreeName { .. } | Self::Claim(ClaimError::Taken { .. }) => {
                Exit::IN_USE
            }
            Self::Claim(ClaimError::Lock { source, .. })
            | Self::Boot(BootError::Serve(ServeError::Bind { source, .. }))
            | Self::TemporaryDirectory(source)
            | Self::Trace { source, .. } => Exit::of_io(source),
            Self::Kvm(vuart_vmm::Error::KvmPermission) => Exit::NOT_PERMITTED,
            Self::Interrupted(signal) => Exit::signal(*signal),
            _ => Exit::FAILURE,
        }
    }
}
