//! The demo's guest: how it is booted with its recorders, and how it is stopped.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vuart::server::Claim;
use vuart_vmm::{Device, Exit, ServedMachine};

use super::error::DemoError;
use super::options::Options;
use super::trace_file::TraceFile;
use super::trail::Trail;

/// How long clients may take to read the guest's last output.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// How long each recorder's file may take to take what is left at the end.
const FLUSH: Duration = Duration::from_secs(10);

/// The recorders of the demo.
#[derive(Debug)]
pub(super) struct Recorders {
    trace: TraceFile,
    pub(super) trail: Trail,
}

impl Recorders {
    /// Recorders for these files, as far as they are requested. The audit trail in memory always exists.
    pub(super) fn new(trace: Option<&Path>, audit: Option<&Path>) -> Result<Self, DemoError> {
        Ok(Self { trace: TraceFile::new(trace), trail: Trail::new(audit)? })
    }

    /// Boots the guest and serves its console. The function `between` may put something between the bus and the port.
    ///
    /// The files of the recorders are created here, after the console's name has been claimed. A demo that can't start
    /// therefore overwrites no file.
    pub(super) fn boot(
        &mut self,
        options: &Options<'_>,
        claim: Claim,
        between: impl FnOnce(Device) -> Device,
    ) -> Result<ServedMachine, DemoError> {
        let output = options.output()?;
        let observer = self.trail.open(claim.name())?;
        let trace = self.trace.create()?;
        let mut recording = None;
        let guest = ServedMachine::boot_with(options.choice.engine, claim, output, |mut port| {
            port.console().observe(observer);
            recording = trace.is_some().then(|| port.record(TraceFile::RING));
            between(Arc::new(Mutex::new(port)))
        })?;
        if let (Some(file), Some(recording)) = (trace, recording) {
            self.trace.save(file, recording)?;
        }
        Ok(guest)
    }

    /// Waits until everything is in the files, for a bounded time. The guest must have ended.
    pub(super) fn finish(self) -> Result<(), DemoError> {
        // Both are finished, also when one fails.
        let audited = self.trail.finish(FLUSH);
        let traced = self.trace.finish(FLUSH);
        audited.and(traced)
    }
}

/// Stops the guest if it still runs, lets clients read its last output, and removes the sockets.
pub(super) fn finish(guest: ServedMachine) -> Result<Exit, DemoError> {
    guest.finish(LAST_OUTPUT).map_err(DemoError::Machine)
}
