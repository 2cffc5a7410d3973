//! The audit trail of the demo: who did what at its console. In memory, where the tour looks, and with `--audit FILE` on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vuart::audit::{Audit, AuditFile, AuditLine, AuditLog};
use vuart::endpoint::ConsoleEvent;
use vuart_vmm::BootError;

use crate::error::Error;

/// How much of the trail there is in memory, in bytes.
const RING: usize = 1 << 18;

/// The trail.
#[derive(Debug)]
pub(super) struct Trail {
    audit: Audit,
    path: Option<PathBuf>,
    log: Option<AuditLog>,
}

impl Trail {
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Error> {
        let audit = Audit::new(RING).map_err(|error| BootError::Ring(error.into()))?;
        Ok(Self { audit, path: path.map(Path::to_owned), log: None })
    }

    /// Opens the file, if one was asked for. What is returned is to be told of the console's events.
    pub(super) fn begin(&mut self, console: &str) -> Result<impl FnMut(&ConsoleEvent) + Send + use<>, Error> {
        if let Some(path) = &self.path {
            self.log =
                Some(self.audit.save(AuditFile::new(path)).map_err(|error| Error::Audit(error.into()))?);
        }
        Ok(self.audit.observer(console))
    }

    /// The trail itself.
    pub(super) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// Waits until all is on the disk, but not for ever.
    pub(super) fn finish(self, patience: Duration) -> Result<(), Error> {
        self.log.map_or(Ok(()), |log| log.finish(patience)).map_err(Error::Audit)
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
