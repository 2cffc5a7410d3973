//! The handle of a thread that saves a trail.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vuart_scrollback::{FinishError, Follower, FollowerError};

use crate::error::AuditError;
use crate::file::AuditFile;
use crate::saver::{AuditStatus, Plain, Saver, Sink, locked};
use crate::trail::Audit;

/// A thread that saves a [trail](Audit). Dropping it lets the thread save what there is, and waits for nothing.
///
/// The thread appends a line by one `write(2)`. When there are no more lines, it brings what was written to the disk (`fdatasync(2)`), so a
/// host that loses its power loses at most what happened in that time. After a failure the thread tries again each second, from the byte
/// at which it has failed. Meanwhile the lines stay in the ring. Lines that are gone from it when the disk has recovered are
/// [declared](crate::AuditEntry::Lost) in their place.
#[must_use = "when it is dropped, the saving ends"]
pub struct AuditLog {
    status: Arc<Mutex<AuditStatus>>,
    /// `None` once [`finish`](Self::finish) has taken it.
    follower: Option<Follower<Arc<AuditError>>>,
}

impl Audit {
    /// Saves the trail in a file, from now on until [`AuditLog::finish`].
    ///
    /// If the file has lines of this trail already, because an earlier process has saved them and its ring was [adopted](Audit::on), the
    /// saving goes on behind them. Otherwise it begins with the oldest line that the ring has.
    ///
    /// # Errors
    ///
    /// When the file can't be opened, or there are no file descriptors or threads left. Later failures are in the
    /// [status](AuditLog::status).
    pub fn save(&self, file: AuditFile) -> Result<AuditLog, AuditError> {
        let file = file.open()?;
        let tail = file.tail()?;
        AuditLog::start(self, file, &tail)
    }

    /// Saves the trail in anything else, such as a pipe to another program. It is flushed when there is nothing more to write. How much of
    /// it is kept is up to the other side.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors or threads left.
    pub fn save_to(&self, out: impl Write + Send + 'static) -> Result<AuditLog, AuditError> {
        AuditLog::start(self, Plain(out), &[])
    }
}

impl AuditLog {
    fn start(audit: &Audit, sink: impl Sink + Send + 'static, saved: &[u8]) -> Result<Self, AuditError> {
        let status = Arc::default();
        let work = Saver::new(audit.scrollback(), Arc::clone(&status), sink, saved);
        let follower =
            Follower::start("vuart-audit", audit.doorbell(), work).map_err(|error| match error {
                FollowerError::Sleeper(error) => AuditError::Sleeper(error),
                FollowerError::Thread(error) => AuditError::Thread(error),
                error => AuditError::Thread(std::io::Error::other(error)),
            })?;
        Ok(Self { status, follower: Some(follower) })
    }

    /// The progress at this moment.
    pub fn status(&self) -> AuditStatus {
        locked(&self.status).clone()
    }

    /// Waits for at most `patience` until everything is saved that has happened before, and ends the log. What happens later stays in the
    /// ring.
    ///
    /// # Errors
    ///
    /// The error because of which not all of it was saved. After [`AuditError::TimedOut`] the thread goes on trying.
    pub fn finish(mut self, patience: Duration) -> Result<(), Arc<AuditError>> {
        let Some(follower) = self.follower.take() else { return Ok(()) };
        follower.finish(patience).map_err(|error| match error {
            FinishError::Failed(error) => error,
            FinishError::TimedOut => Arc::new(AuditError::TimedOut),
            _ => Arc::new(AuditError::Panicked),
        })
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.end();
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("status", &self.status()).finish_non_exhaustive()
    }
}
