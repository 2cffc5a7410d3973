//! What is recorded of a demo: with `--trace FILE` what the guest did to its UART, in a file that replays; and the audit trail.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vuart::server::Claim;
use vuart::trace::Saving;
use vuart_vmm::{Device, ServedMachine};

use super::trail::Trail;
use super::wanted::Wanted;
use crate::error::Error;

/// How much the ring between the guest and the file holds, in bytes: some two million accesses.
const RING: usize = 1 << 24;

/// How long a file may take to take the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// Boots the guest, and records what was asked for.
#[derive(Debug)]
pub(super) struct Recording {
    trace: Trace,
    pub(super) trail: Trail,
}

/// What the guest does to its UART.
#[derive(Debug)]
enum Trace {
    /// Nobody asked.
    Off,
    /// The guest has not booted.
    Wanted(PathBuf),
    /// It runs.
    Running(PathBuf, Saving),
}

impl Recording {
    /// Into these files, if any.
    pub(super) fn new(trace: Option<&Path>, audit: Option<&Path>) -> Result<Self, Error> {
        let trace = trace.map_or(Trace::Off, |path| Trace::Wanted(path.to_owned()));
        Ok(Self { trace, trail: Trail::new(audit)? })
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
        let observer = self.trail.begin(claim.name())?;
        let Trace::Wanted(path) = &self.trace else {
            return Ok(ServedMachine::boot_with(engine, claim, output, |port| {
                port.console().observe(observer);
                between(Arc::new(Mutex::new(port)))
            })?);
        };
        let fail = |source| Error::Trace { path: path.clone(), source };
        let file = create(path).map_err(fail)?;
        let mut recorded = None;
        let guest = ServedMachine::boot_with(engine, claim, output, |mut port| {
            port.console().observe(observer);
            recorded = Some(port.record(RING));
            between(Arc::new(Mutex::new(port)))
        })?;
        if let Some(recorded) = recorded {
            let saving = recorded
                .map_err(io::Error::other)
                .and_then(|recording| recording.save(BufWriter::new(file)))
                .map_err(fail)?;
            self.trace = Trace::Running(path.clone(), saving);
        }
        Ok(guest)
    }

    /// Waits until all is in the files, but not for ever. To be called when the guest is over.
    pub(super) fn finish(self) -> Result<(), Error> {
        let audited = self.trail.finish(PATIENCE);
        let traced = match self.trace {
            Trace::Running(path, saving) => {
                saving.finish(PATIENCE).map_err(|source| Error::Trace { path, source })
            }
            Trace::Off | Trace::Wanted(_) => Ok(()),
        };
        audited.and(traced)
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
