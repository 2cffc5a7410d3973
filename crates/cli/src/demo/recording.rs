//! `vuart demo --trace FILE`: what the guest did to its UART, in a file that replays.

use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vuart::endpoint::Claim;
use vuart::trace::Saving;
use vuart_vmm::{Device, Engine, ServedMachine};

use crate::error::Error;

/// How much the ring between the guest and the file holds, in bytes: some two million accesses.
const RING: usize = 1 << 24;

/// How long a file may take to take the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// Boots the guest, and records it when that was asked for.
#[derive(Debug)]
pub(super) enum Recording {
    /// Nobody asked.
    Off,
    /// The guest has not booted.
    Ready(PathBuf, File),
    /// It runs.
    Running(PathBuf, Saving),
}

impl Recording {
    /// Makes the file, before anything else is there.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self::Off) };
        let fail = |source| Error::Trace { path: path.to_owned(), source };
        // A pipe that nobody reads is an error, and not to be waited for: signals are caught already.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(nonblocking)
            .open(path)
            .map_err(fail)?;
        // One that is read slowly is waited for.
        let flags = fcntl_getfl(&file).map_err(|error| fail(error.into()))?;
        fcntl_setfl(&file, flags - OFlags::NONBLOCK).map_err(|error| fail(error.into()))?;
        Ok(Self::Ready(path.to_owned(), file))
    }

    /// Boots the guest with something `between` the bus and the port.
    pub(super) fn boot(
        &mut self,
        engine: Engine,
        claim: Claim,
        between: impl FnOnce(Device) -> Device,
    ) -> Result<ServedMachine, Error> {
        let mut recorded = None;
        let wanted = matches!(self, Self::Ready(..));
        let guest = ServedMachine::boot_with(engine, claim, |mut port| {
            recorded = wanted.then(|| port.record(RING));
            between(Arc::new(Mutex::new(port)))
        })?;
        if let Some(recorded) = recorded
            && let Self::Ready(path, file) = std::mem::replace(self, Self::Off)
        {
            let fail = |source| Error::Trace { path: path.clone(), source };
            let saving = recorded
                .map_err(std::io::Error::other)
                .and_then(|recording| recording.save(BufWriter::new(file)))
                .map_err(fail)?;
            *self = Self::Running(path, saving);
        }
        Ok(guest)
    }

    /// Waits until all is in the file, but not for ever. To be called when the guest is over.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self {
            Self::Running(path, saving) => {
                saving.finish(PATIENCE).map_err(|source| Error::Trace { path, source })
            }
            Self::Off | Self::Ready(..) => Ok(()),
        }
    }
}
