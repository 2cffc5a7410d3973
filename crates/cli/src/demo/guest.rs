//! The demo's guest: its name and its ring, how it is booted with its recorders, and how it is stopped.

use std::io::{self, BufWriter, Write, stderr};
use std::iter::once;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::PollFlags;
use vuart::audit::{Audit, AuditFile, AuditLog};
use vuart::endpoint::{Console, Printable};
use vuart::scrollback::{FileError, RingOptions};
use vuart::server::{Claim, ClaimError};
use vuart::trace::{Saving, create_file};
use vuart::wire::RuntimeDir;
use vuart_vmm::{BootError, Choice, Device, RingError, ServedMachine, open_ring};

use super::args::DemoArgs;
use super::error::DemoError;
use super::holder;
use crate::error::Error;
use crate::invocation::{command, quoted};
use crate::number::counted;
use crate::signals::{Pending, Signal, Signals};
use crate::wait::wait;

/// The console's default name.
const NAME: &str = "demo";

/// How many names are tried when the user has given none.
const NAMES: usize = 1000;

/// How much of the audit trail is kept in memory, in bytes.
const AUDIT_RING: usize = 1 << 18;

/// The size of the ring between the guest and the trace's file, in bytes: some two million accesses.
const TRACE_RING: usize = 1 << 24;

/// How long clients may take to read the guest's last output.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// How long each recorder's file may take to take what is left at the end.
const FLUSH: Duration = Duration::from_secs(10);

/// A demo: what the user has requested, and the recorders of what happens.
#[derive(Debug)]
pub(super) struct Demo<'a> {
    args: &'a DemoArgs,
    /// The engine that runs the guest.
    pub(super) choice: Choice,
    /// The audit trail in memory: who did what at the console.
    pub(super) audit: Audit,
    /// The thread that writes the audit trail into the file of `--audit`.
    log: Option<AuditLog>,
    /// The thread that writes what the guest does to its UART into the file of `--trace`.
    trace: Option<Saving>,
}

impl<'a> Demo<'a> {
    /// A demo that has not booted its guest.
    pub(super) fn new(args: &'a DemoArgs, choice: Choice) -> Result<Self, DemoError> {
        let audit = Audit::new(AUDIT_RING).map_err(|error| BootError::Ring(error.into()))?;
        Ok(Self { args, choice, audit, log: None, trace: None })
    }

    /// Boots the guest and serves its console. The function `between` may put something between the bus and the port.
    ///
    /// The files of the recorders are created here, after the console's name has been claimed. A demo that can't start
    /// therefore overwrites no file.
    pub(super) fn boot(
        &mut self,
        dir: &RuntimeDir,
        between: impl FnOnce(Device) -> Device,
    ) -> Result<ServedMachine, DemoError> {
        let claim = self.claim(dir)?;
        let output = match &self.args.ring {
            Some(path) => open_ring(path).map_err(|error| match (&error, holder::of(path)) {
                (RingError { source: FileError::InUse, .. }, Some(pid)) => {
                    DemoError::RingInUse { path: path.clone(), pid }
                }
                _ => error.into(),
            })?,
            None => RingOptions::default().create().map_err(BootError::Ring)?.0,
        };
        if let Some(path) = &self.args.audit {
            let log = self.audit.save(AuditFile::new(path));
            self.log = Some(log.map_err(|error| DemoError::Audit(error.into()))?);
        }
        let log = self.log.as_ref();
        let observer = self.audit.observer(claim.name());
        let args = self.args;
        let failed = |source| DemoError::Trace { path: args.trace.clone().unwrap_or_default(), source };
        let trace = args.trace.as_deref().map(create_file).transpose().map_err(DemoError::TraceFile)?;
        let mut recording = None;
        let guest = ServedMachine::boot_with(self.choice.engine, claim, output, |mut port| {
            port.console().observe(observer);
            if let Some(log) = log {
                show_failures(log, port.console().clone());
            }
            recording = trace.is_some().then(|| port.record(TRACE_RING));
            between(Arc::new(Mutex::new(port)))
        })?;
        if let (Some(file), Some(recording)) = (trace, recording) {
            let recording = recording.map_err(|error| failed(io::Error::other(error)))?;
            let path = self.args.trace.clone().unwrap_or_default();
            let file = Told { file: BufWriter::new(file), path, console: guest.console().clone() };
            self.trace = Some(recording.save(file).map_err(failed)?);
        }
        Ok(guest)
    }

    /// Claims the name that the user has given, or else the first free default name.
    fn claim(&self, dir: &RuntimeDir) -> Result<Claim, DemoError> {
        if let Some(name) = &self.args.name {
            return Ok(Claim::new(dir, name)?);
        }
        let numbered = (2..=NAMES).map(|number| format!("{NAME}-{number}"));
        for name in once(NAME.to_owned()).chain(numbered) {
            match Claim::new(dir, &name) {
                Err(ClaimError::Taken { .. }) => {}
                claim => return Ok(claim?),
            }
        }
        Err(DemoError::NoFreeName { first: NAME.to_owned(), last: format!("{NAME}-{NAMES}") })
    }

    /// The text that tells users how to reach the console.
    pub(super) fn directions(&self, guest: &ServedMachine) -> String {
        let ring = self.args.ring.as_ref().map_or(String::new(), |path| {
            let path = path.to_string_lossy();
            // `vuart log` takes an argument without a slash for a console's name.
            let argument = if path.contains('/') { path.into_owned() } else { format!("./{path}") };
            let boot = guest.console().scrollback().boot();
            let from = if boot == 0 { "new".to_owned() } else { format!("goes on at offset {boot}") };
            format!("ring     {} log {}: {from}\n", command(), quoted(&argument))
        });
        format!(
            "guest    {}: {}\n\
             console  {}\n\
             attach   {} attach {}\n\
             {ring}\
             or       socat -,raw,echo=0,escape=0x1d UNIX:{}\n",
            self.choice.engine,
            self.choice.why,
            guest.control_socket().display(),
            command(),
            guest.name(),
            guest.raw_socket().display(),
        )
    }

    /// Waits until everything is in the files, for a bounded time. The guest must have ended.
    pub(super) fn finish(self) -> Result<(), DemoError> {
        // Both are finished, also when one fails.
        let audited = self.log.map_or(Ok(()), |log| log.finish(FLUSH)).map_err(DemoError::Audit);
        let traced = self.trace.map_or(Ok(()), |trace| trace.finish(FLUSH));
        audited.and(
            traced.map_err(|source| DemoError::Trace {
                path: self.args.trace.clone().unwrap_or_default(),
                source,
            }),
        )
    }
}

/// Says at once when the audit trail is not saved, here and to whoever looks at the console; and when it is saved again.
fn show_failures(log: &AuditLog, console: Console) {
    log.observe(move |status| {
        let note = if let Some(error) = &status.error {
            console.warn("audit", &error.to_string());
            error.to_string()
        } else {
            console.withdraw_warning("audit");
            let lost = counted(status.lost, "line of it is", "lines of it are");
            format!("the audit trail is saved again; {lost} lost")
        };
        say(&note);
    });
}

/// Says something in a text line of its own, also on a terminal that is raw.
fn say(note: &str) {
    // A failure of standard error can't be reported anywhere.
    let _ = write!(stderr(), "\r\n[vuart: {}]\r\n", Printable(note));
}

/// The file of a trace. Its first error is said at once, here and to whoever looks at the console. The trace ends there.
struct Told<W> {
    file: W,
    path: PathBuf,
    console: Console,
}

impl<W> Told<W> {
    fn tell<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            let note = format!("the trace in {} ends here: {error}", self.path.display());
            self.console.warn("trace", &note);
            say(&note);
        }
        result
    }
}

impl<W: Write> Write for Told<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.tell(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.tell(flushed)
    }
}

/// Stops the guest if it still runs, lets clients read its last output, and removes the sockets.
pub(super) fn finish(guest: ServedMachine) -> Result<vuart_vmm::Exit, DemoError> {
    guest.finish(LAST_OUTPUT).map_err(DemoError::Machine)
}

/// What [`wait_for`] has found.
pub(super) enum Woken {
    /// A signal asks to leave.
    Signal(Signal),
    /// The guest has ended.
    Over,
    /// The input can be read.
    Typed,
}

/// Waits for the guest's end, a signal that asks to leave, or input.
pub(super) fn wait_for(
    guest: &ServedMachine,
    signals: &mut Signals,
    input: Option<BorrowedFd<'_>>,
) -> Result<Woken, Error> {
    loop {
        let sources = [Some(signals.as_fd()), Some(guest.as_fd()), input];
        let sources = sources.map(|source| source.map(|source| (source, PollFlags::IN)));
        let [_, over, typed] = wait("wait for the guest", sources, None)?;
        if let Pending::Leave(signal) = signals.pending() {
            return Ok(Woken::Signal(signal));
        } else if !over.is_empty() {
            return Ok(Woken::Over);
        } else if !typed.is_empty() {
            return Ok(Woken::Typed);
        }
    }
}
