//! The recorders of the demo: the register trace (`--trace FILE`) and the audit trail (`--audit FILE`).
//!
//! The steps are called in this order: [`open`](Recorders::open) creates the files, [`attach`](Recorders::attach) connects the
//! recorders to the port, [`start`](Recorders::start) begins to write once the guest has booted, and
//! [`finish`](Recorders::finish) waits until everything is written.

use std::path::Path;
use std::time::Duration;

use vuart::audit::Audit;
use vuart::{IrqFd, SerialPort};

use super::error::DemoError;
use super::trace_file::TraceFile;
use super::trail::Trail;

/// How long each file may take to take what is left at the end.
const FLUSH: Duration = Duration::from_secs(10);

/// The register trace and the audit trail.
#[derive(Debug)]
pub(super) struct Recorders {
    trace: TraceFile,
    trail: Trail,
}

impl Recorders {
    /// Recorders for these files, as far as they are requested. The audit trail in memory always exists.
    pub(super) fn new(trace: Option<&Path>, audit: Option<&Path>) -> Result<Self, DemoError> {
        Ok(Self { trace: TraceFile::new(trace), trail: Trail::new(audit)? })
    }

    /// Creates the files.
    pub(super) fn open(&mut self, console: &str) -> Result<(), DemoError> {
        self.trail.open(console)?;
        self.trace.open()
    }

    /// Connects the recorders to the port, before the guest runs.
    pub(super) fn attach(&mut self, port: &mut SerialPort<IrqFd>) {
        port.console().observe(self.trail.observer());
        self.trace.attach(port);
    }

    /// Begins to write the trace. The guest has booted.
    pub(super) fn start(&mut self) -> Result<(), DemoError> {
        self.trace.start()
    }

    /// The audit trail in memory.
    pub(super) fn audit(&self) -> Audit {
        self.trail.audit()
    }

    /// Waits until everything is in the files, for a bounded time. The guest must have ended.
    pub(super) fn finish(self) -> Result<(), DemoError> {
        // Both are finished, also when one fails.
        let audited = self.trail.finish(FLUSH);
        let traced = self.trace.finish(FLUSH);
        audited.and(traced)
    }
}
