//! The trace of the demo: with `--trace FILE`, what the guest does to its UART, in a file that can be replayed.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vuart::trace::{RecordError, Recording, Saving};

use super::error::DemoError;

/// A trace that is recorded, if a file is requested.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: Option<PathBuf>,
    /// The thread that writes the file, once the guest runs.
    saving: Option<(PathBuf, Saving)>,
}

impl TraceFile {
    /// The size of the ring between the guest and the file, in bytes: some two million accesses.
    pub(super) const RING: usize = 1 << 24;

    /// A trace for this file, or none.
    pub(super) fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), saving: None }
    }

    /// Creates the file, if one is requested.
    pub(super) fn create(&self) -> Result<Option<(PathBuf, File)>, DemoError> {
        let Some(path) = &self.path else { return Ok(None) };
        let file = create(path).map_err(|source| DemoError::Trace { path: path.clone(), source })?;
        Ok(Some((path.clone(), file)))
    }

    /// Starts to write the recording into the file.
    pub(super) fn save(
        &mut self,
        (path, file): (PathBuf, File),
        recording: Result<Recording, RecordError>,
    ) -> Result<(), DemoError> {
        let saving =
            recording.map_err(io::Error::other).and_then(|recording| recording.save(BufWriter::new(file)));
        match saving {
            Ok(saving) => self.saving = Some((path, saving)),
            Err(source) => return Err(DemoError::Trace { path, source }),
        }
        Ok(())
    }

    /// Waits until everything is in the file.
    pub(super) fn finish(self, patience: Duration) -> Result<(), DemoError> {
        self.saving.map_or(Ok(()), |(path, saving)| {
            saving.finish(patience).map_err(|source| DemoError::Trace { path, source })
        })
    }
}

fn create(path: &Path) -> io::Result<File> {
    // Signals are caught already, so opening must not block: a pipe without a reader is an error.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file =
        File::options().write(true).create(true).truncate(true).custom_flags(nonblocking).open(path)?;
    // Writing may block: a slow reader delays only the thread that writes.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}
