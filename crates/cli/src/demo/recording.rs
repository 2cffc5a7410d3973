//! `vuart demo --trace FILE`: what the guest did to its UART, in a file that replays.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vuart::endpoint::Claim;
use vuart::trace::Saving;
use vuart_vmm::{Device, ServedMachine};

use super::wanted::Wanted;
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
    Wanted(PathBuf),
    /// It runs.
    Running(PathBuf, Saving),
}

impl Recording {
    /// Into that file, if any.
    pub(super) fn new(path: Option<&Path>) -> Self {
        path.map_or(Self::Off, |path| Self::Wanted(path.to_owned()))
    }

    /// Boots the guest with something `between` the bus and the port.
    ///
    /// The files are made here, where the console's name has been claimed: a demo that comes to nothing overwrites nothing.
    pub(super) fn boot(
        &mut self,
        wanted: &Wanted<'_>,
        claim: Claim,
        between: impl FnOnce(Device) -> Device,
    ) -> Result<ServedMachine, Error> {
        let output = wanted.output()?;
        let engine = wanted.choice.engine;
        let Self::Wanted(path) = self else {
            let place = |port| between(Arc::new(Mutex::new(port)));
            return Ok(ServedMachine::boot_with(engine, claim, output, place)?);
        };
        let fail = |source| Error::Trace { path: path.clone(), source };
        let file = create(path).map_err(fail)?;
        let mut recorded = None;
        let guest = ServedMachine::boot_with(engine, claim, output, |mut port| {
            recorded = Some(port.record(RING));
            between(Arc::new(Mutex::new(port)))
        })?;
        if let Some(recorded) = recorded {
            let saving = recorded
                .map_err(io::Error::other)
                .and_then(|recording| recording.save(BufWriter::new(file)))
                .map_err(fail)?;
            *self = Self::Running(path.clone(), saving);
        }
        Ok(guest)
    }

    /// Waits until all is in the file, but not for ever. To be called when the guest is over.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self {
            Self::Running(path, saving) => {
                saving.finish(PATIENCE).map_err(|source| Error::Trace { path, source })
            }
            Self::Off | Self::Wanted(_) => Ok(()),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads is an error, and not to be waited for: signals are caught already.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file =
        File::options().write(true).create(true).truncate(true).custom_flags(nonblocking).open(path)?;
    // One that is read slowly is waited for.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}
