//! Small stand-ins for what Firecracker has, as far as a serial device meets it. Firecracker's own are named.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::PipeReader;
use std::io::PipeWriter;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use event_manager::MutEventSubscriber;
use rustix::fs::OFlags;
use vuart::{EventFd, Trigger};

pub(crate) use crate::bus::{Bus, BusDevice};
pub(crate) use vmm_sys_util::eventfd::EFD_NONBLOCK;

/// `devices::legacy::EventFdTrigger`.
#[derive(Debug)]
pub(crate) struct EventFdTrigger(EventFd);

impl EventFdTrigger {
    pub(crate) fn new(event: EventFd) -> Self {
        Self(event)
    }
}

impl Deref for EventFdTrigger {
    type Target = EventFd;

    fn deref(&self) -> &EventFd {
        &self.0
    }
}

impl Trigger for EventFdTrigger {
    type E = std::io::Error;

    fn trigger(&self) -> std::io::Result<()> {
        self.write(1)
    }
}

/// `vmm::EventManager`.
pub(crate) type EventManager = event_manager::EventManager<Arc<Mutex<dyn MutEventSubscriber>>>;

/// `DeviceManagerCreateError`.
pub(crate) type Error = Box<dyn std::error::Error>;

/// `rate_limiter::TokenBucket`, as it is configured.
pub(crate) struct TokenBucket {
    pub(crate) size: u64,
    pub(crate) refill_time_ms: u64,
}

impl TokenBucket {
    pub(crate) fn capacity(&self) -> u64 {
        self.size
    }

    pub(crate) fn refill_time_ms(&self) -> u64 {
        self.refill_time_ms
    }
}

/// `utils::open_file_nonblock`.
pub(crate) fn open_file_nonblock(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().custom_flags(flags).create(true).truncate(false).read(true).write(true).open(path)
}

thread_local! {
    /// What a test has put in place of the process's standard input and output.
    static STDIO: RefCell<Option<(PipeReader, PipeWriter)>> = const { RefCell::new(None) };
}

/// Puts pipes in place of standard input and output, for this thread.
pub(crate) fn put_stdio(stdin: PipeReader, stdout: PipeWriter) {
    STDIO.set(Some((stdin, stdout)));
}

/// `std::io::stdin`.
pub(crate) fn stdin() -> PipeReader {
    STDIO.with_borrow(|stdio| stdio.as_ref().unwrap().0.try_clone().unwrap())
}

/// `std::io::stdout`.
pub(crate) fn stdout() -> PipeWriter {
    STDIO.with_borrow(|stdio| stdio.as_ref().unwrap().1.try_clone().unwrap())
}

/// `logger::SharedIncMetric`.
pub(crate) struct SharedIncMetric(AtomicU64);

impl SharedIncMetric {
    pub(crate) fn add(&self, value: u64) {
        self.0.fetch_add(value, Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// `SerialDeviceMetrics`.
#[allow(clippy::struct_field_names, reason = "they are Firecracker's")]
pub(crate) struct SerialDeviceMetrics {
    pub(crate) error_count: SharedIncMetric,
    pub(crate) missed_read_count: SharedIncMetric,
    pub(crate) missed_write_count: SharedIncMetric,
    pub(crate) read_count: SharedIncMetric,
    pub(crate) write_count: SharedIncMetric,
}

/// `devices::legacy::serial::METRICS`.
pub(crate) static METRICS: SerialDeviceMetrics = SerialDeviceMetrics {
    error_count: SharedIncMetric(AtomicU64::new(0)),
    missed_read_count: SharedIncMetric(AtomicU64::new(0)),
    missed_write_count: SharedIncMetric(AtomicU64::new(0)),
    read_count: SharedIncMetric(AtomicU64::new(0)),
    write_count: SharedIncMetric(AtomicU64::new(0)),
};
