//! How the saving of a trail goes, and who is told of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::AuditError;

/// The progress of an [`AuditLog`](crate::AuditLog).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AuditStatus {
    /// The number of lines of the trail that it has saved.
    pub saved: u64,
    /// The number of lines that were gone from the ring before it could save them.
    pub lost: u64,
    /// The error because of which it saves nothing at this moment. It tries again each second, and nothing waits for it meanwhile;
    /// but after [`AuditError::Panicked`] nothing is saved any more.
    pub error: Option<Arc<AuditError>>,
    /// Since when it saves nothing, if there is an [error](Self::error).
    pub since: Option<SystemTime>,
}

type Observer = Box<dyn FnMut(&AuditStatus) + Send>;

/// The status, which the saving thread changes and the handle reads.
#[derive(Default)]
pub(crate) struct Shared {
    status: Mutex<AuditStatus>,
    /// They are called with this lock, one at a time, and without that of the status.
    observers: Mutex<Vec<Observer>>,
}

impl Shared {
    pub(crate) fn now(&self) -> AuditStatus {
        self.status().clone()
    }

    /// Counts lines that are saved, or declared lost.
    pub(crate) fn count(&self, saved: u64, lost: u64) {
        let mut status = self.status();
        status.saved += saved;
        status.lost += lost;
    }

    /// Notes whether the saving works, and tells the observers if that is news. Returns whether it is.
    pub(crate) fn note(&self, error: Option<Arc<AuditError>>) -> bool {
        let mut status = self.status();
        let text = |error: &Option<Arc<AuditError>>| error.as_ref().map(ToString::to_string);
        let news = text(&status.error) != text(&error);
        status.since = error.as_ref().map(|_| status.since.unwrap_or_else(SystemTime::now));
        status.error = error;
        drop(status);
        if news {
            let mut observers = self.observers();
            // Read again under the observers' lock: the last one that they are told is the present one.
            let now = self.now();
            for observer in &mut *observers {
                observer(&now);
            }
        }
        news
    }

    /// Adds an observer, and tells it at once if the saving fails at this moment.
    pub(crate) fn observe(&self, mut observer: Observer) {
        let mut observers = self.observers();
        let now = self.now();
        if now.error.is_some() {
            observer(&now);
        }
        observers.push(observer);
    }

    fn status(&self) -> MutexGuard<'_, AuditStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Observer>> {
        self.observers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("status", &self.status).finish_non_exhaustive()
    }
}
