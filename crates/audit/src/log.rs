//! The handle of a thread that saves a trail.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use vuart_scrollback::{FinishError, Follower, FollowerError};

use crate::error::AuditError;
use crate::file::AuditFile;
use crate::saver::{Plain, Saver, Sink};
use crate::status::{AuditStatus, Shared};
use crate::trail::Audit;

/// A thread that saves a [trail](Audit). Dropping it lets the thread save what there is, and waits for nothing.
///
/// The thread appends a line by one `write(2)`. When there are no more lines, it brings what was written to the disk (`fdatasync(2)`), so a
/// host that loses its power loses at most what happened in that time. After a failure the thread tries again each second, from the byte
/// at which it has failed. Meanwhile the lines stay in the ring. Lines that are gone from it when the disk has recovered are
/// [declared](crate::AuditEntry::Lost) in their place.
#[must_use = "when it is dropped, the saving ends"]
pub struct AuditLog {
    shared: Arc<Shared>,
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
        let shared = Arc::default();
        let work = Saver::new(audit.scrollback(), Arc::clone(&shared), sink, saved);
        let follower =
            Follower::start("vuart-audit", audit.doorbell(), work).map_err(|error| match error {
                FollowerError::Sleeper(error) => AuditError::Sleeper(error),
                FollowerError::Thread(error) => AuditError::Thread(error),
                error => AuditError::Thread(std::io::Error::other(error)),
            })?;
        Ok(Self { shared, follower: Some(follower) })
    }

    /// The progress at this moment.
    pub fn status(&self) -> AuditStatus {
        self.shared.now()
    }

    /// Tells `observer` when the saving begins to fail, fails for another reason, or works again; and at once, if it fails at this
    /// moment. The thread that saves calls it, so lines wait in the ring until it returns. It must not call this method.
    ///
    /// A person looks at the end of a trail when it is too late: show a failure where somebody sees it, such as at the console that
    /// the trail is about.
    ///
    /// ```
    /// use vuart_audit::Audit;
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// # let (console, _input) = vuart_endpoint::Console::new(scrollback, || ());
    /// # let sink = std::io::sink();
    /// let audit = Audit::new(1 << 20)?;
    /// console.observe(audit.observer("vm0"));
    /// let log = audit.save_to(sink)?;
    ///
    /// let shown = console.clone();
    /// log.observe(move |status| match &status.error {
    ///     Some(error) => shown.warn("audit", &error.to_string()),
    ///     None => shown.withdraw_warning("audit"),
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe(&self, observer: impl FnMut(&AuditStatus) + Send + 'static) {
        self.shared.observe(Box::new(observer));
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
