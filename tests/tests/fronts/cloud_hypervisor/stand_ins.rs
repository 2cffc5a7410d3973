//! Small stand-ins for what Cloud Hypervisor has, as far as a serial device meets it. Cloud Hypervisor's own are named.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, PipeReader};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde::{Serialize, de::DeserializeOwned};

use super::serial::Serial;

pub(crate) use crate::bus::{Bus, BusDevice};

/// `vm_device::interrupt::InterruptSourceGroup`, as far as a port uses it.
pub(crate) trait InterruptSourceGroup: Send + Sync {
    fn trigger(&self, index: u32) -> io::Result<()>;
}

/// An interrupt that counts.
#[derive(Default)]
pub(crate) struct Edges(AtomicUsize);

impl Edges {
    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl InterruptSourceGroup for Edges {
    fn trigger(&self, index: u32) -> io::Result<()> {
        assert_eq!(index, 0);
        self.0.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// `vm_migration::Snapshot`, of one component: JSON, as there.
pub(crate) struct Snapshot(String);

pub(crate) type MigratableError = serde_json::Error;

impl Snapshot {
    pub(crate) fn new_from_state<T: Serialize>(state: &T) -> Result<Self, MigratableError> {
        serde_json::to_string(state).map(Self)
    }

    pub(crate) fn to_state<T: DeserializeOwned>(&self) -> Result<T, MigratableError> {
        serde_json::from_str(&self.0)
    }
}

/// `vm_migration::Snapshottable`.
pub(crate) trait Snapshottable {
    fn id(&self) -> String;
    fn snapshot(&mut self) -> Result<Snapshot, MigratableError>;
}

/// Stays in `devices/src/legacy/serial.rs` as it is.
impl Snapshottable for Serial {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn snapshot(&mut self) -> Result<Snapshot, MigratableError> {
        Snapshot::new_from_state(&self.state())
    }
}

/// `vmm::console_devices::ConsoleTransport`.
pub(crate) enum ConsoleTransport {
    File(Arc<File>),
    Pty(Arc<File>),
    Tty(Arc<File>),
    Null,
    Socket(Arc<UnixListener>),
    Off,
}

/// `DeviceManagerError`.
pub(crate) type Error = Box<dyn std::error::Error>;

/// `seccompiler::BpfProgram`, which tells the test that it was applied.
pub(crate) struct BpfProgram(pub(crate) Arc<Mutex<Option<String>>>);

/// `seccompiler::apply_filter`.
#[allow(clippy::unnecessary_wraps, reason = "that can fail")]
pub(crate) fn apply_filter(filter: &BpfProgram) -> io::Result<()> {
    *filter.0.lock().unwrap() = std::thread::current().name().map(str::to_owned);
    Ok(())
}

thread_local! {
    /// What a test has put in place of the process's standard input.
    static STDIN: RefCell<Option<PipeReader>> = const { RefCell::new(None) };
}

/// Puts a pipe in place of standard input, for this thread.
pub(crate) fn put_stdin(stdin: PipeReader) {
    STDIN.set(Some(stdin));
}

/// `std::io::stdin`.
pub(crate) fn stdin() -> PipeReader {
    STDIN.take().unwrap()
}
