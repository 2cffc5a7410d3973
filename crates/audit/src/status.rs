//! How far a trail is saved.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::AuditError;

/// The progress of an [`AuditLog`](crate::AuditLog).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AuditStatus {
    /// The number of lines of the trail that it has saved.
    pub saved: u64,
    /// The number of lines that were gone from the ring before it could save them.
    pub lost: u64,
    /// The error because of which it saves nothing at this moment. It tries again each second, and nothing waits for it meanwhile.
    pub error: Option<Arc<AuditError>>,
}

/// A status that the saving thread changes and the handle reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status(Arc<Mutex<AuditStatus>>);

impl Status {
    pub(crate) fn get(&self) -> AuditStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut AuditStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
