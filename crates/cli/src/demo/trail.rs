//! The audit trail of the demo: who did what at its console. It is kept in memory, and with `--audit FILE` also on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vuart::audit::{Audit, AuditFile, AuditLine, AuditLog};
use vuart::endpoint::ConsoleEvent;
use vuart_vmm::BootError;

use super::error::DemoError;

/// How much of the trail is kept in memory, in bytes.
const RING: usize = 1 << 18;

/// The trail.
#[derive(Debug)]
pub(super) struct Trail {
    audit: Audit,
    path: Option<PathBuf>,
    log: Option<AuditLog>,
}

impl Trail {
    /// A trail that is saved in this file, if a file is requested.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, DemoError> {
        let audit = Audit::new(RING).map_err(|error| BootError::Ring(error.into()))?;
        Ok(Self { audit, path: path.map(Path::to_owned), log: None })
    }

    /// Opens the file. Returns the observer that writes the console's events into the trail.
    pub(super) fn open(
        &mut self,
        console: &str,
    ) -> Result<impl FnMut(&ConsoleEvent) + Send + use<>, DemoError> {
        if let Some(path) = &self.path {
            let saved = self.audit.save(AuditFile::new(path));
            self.log = Some(saved.map_err(|error| DemoError::Audit(error.into()))?);
        }
        Ok(self.audit.observer(console))
    }

    /// The trail in memory.
    pub(super) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// Waits until everything is on disk, for at most `patience`.
    pub(super) fn finish(self, patience: Duration) -> Result<(), DemoError> {
        self.log.map_or(Ok(()), |log| log.finish(patience)).map_err(DemoError::Audit)
    }
}

/// The lines that are in memory.
pub(super) fn lines(audit: &Audit) -> Vec<AuditLine> {
    let scrollback = audit.scrollback();
    let mut bytes = vec![0; scrollback.capacity()];
    let read = scrollback.read_at(0, &mut bytes);
    let text = String::from_utf8_lossy(bytes.get(..read.len()).unwrap_or_default());
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
