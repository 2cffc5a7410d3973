//! The trace of the demo: with `--trace FILE`, what the guest does to its UART, in a file that can be replayed.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vuart::trace::{Recording, Saving};
use vuart::{IrqFd, SerialPort};

use super::error::DemoError;

/// The size of the ring between the guest and the file, in bytes: some two million accesses.
const RING: usize = 1 << 24;

/// A trace that is or will be recorded.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: Option<PathBuf>,
    state: State,
}

/// How far the recording has come.
#[derive(Debug)]
enum State {
    /// Nothing is recorded.
    Off,
    /// The file is open.
    Open(File),
    /// The port records into the ring, or could not begin to.
    Attached(File, io::Result<Recording>),
    /// A thread writes the ring's content to the file.
    Running(Saving),
}

impl TraceFile {
    /// A trace for this file, or none.
    pub(super) fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), state: State::Off }
    }

    /// Creates the file.
    pub(super) fn open(&mut self) -> Result<(), DemoError> {
        if let Some(path) = &self.path {
            self.state = State::Open(create(path).map_err(failed(path))?);
        }
        Ok(())
    }

    /// Lets the port record.
    pub(super) fn attach(&mut self, port: &mut SerialPort<IrqFd>) {
        self.state = match std::mem::replace(&mut self.state, State::Off) {
            State::Open(file) => State::Attached(file, port.record(RING).map_err(io::Error::other)),
            other => other,
        };
    }

    /// Starts the thread that writes the file.
    pub(super) fn start(&mut self) -> Result<(), DemoError> {
        let Some(path) = &self.path else { return Ok(()) };
        if let State::Attached(file, recording) = std::mem::replace(&mut self.state, State::Off) {
            let saving = recording.and_then(|recording| recording.save(BufWriter::new(file)));
            self.state = State::Running(saving.map_err(failed(path))?);
        }
        Ok(())
    }

    /// Waits until everything is in the file.
    pub(super) fn finish(self, patience: Duration) -> Result<(), DemoError> {
        match (self.path, self.state) {
            (Some(path), State::Running(saving)) => saving.finish(patience).map_err(failed(&path)),
            _ => Ok(()),
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::Trace { path, source }
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
