//! What has happened at a port and its console, as numbers for a VMM's metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vuart_endpoint::{Console, Counters};

/// What has happened at a port since it was made. Each number only grows.
///
/// Reads that find nothing new are not counted: a guest may poll LSR a million times a second, and each count would cost the port's
/// fastest path. The host counts these as exits (`kvm_stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct PortCounters {
    /// Bytes that the guest has sent: written to THR, outside of loopback.
    pub bytes_sent: u64,
    /// Bytes that the guest has read from RBR, also those that it has sent to itself in loopback.
    pub bytes_read: u64,
    /// Writes of registers that have sent nothing. Together with `bytes_sent` they are all register writes.
    pub register_writes: u64,
    /// Reads of more than eight bytes, and single bytes of other reads that are at no register.
    pub bad_reads: u64,
    /// Writes of more than eight bytes, and single bytes of other writes that are at no register.
    pub bad_writes: u64,
    /// Interrupts that the port has raised.
    pub interrupts: u64,
    /// Interrupts among these whose trigger failed. The guest did not get them.
    pub interrupts_failed: u64,
}

impl PortCounters {
    /// Accesses and bytes of accesses that are at no register: `bad_reads` and `bad_writes`.
    pub fn bad_accesses(&self) -> u64 {
        self.bad_reads.saturating_add(self.bad_writes)
    }

    /// Each number with the name of its field.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("bytes_sent", self.bytes_sent),
            ("bytes_read", self.bytes_read),
            ("register_writes", self.register_writes),
            ("bad_reads", self.bad_reads),
            ("bad_writes", self.bad_writes),
            ("interrupts", self.interrupts),
            ("interrupts_failed", self.interrupts_failed),
        ]
        .into_iter()
    }

    /// What has happened since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_read: self.bytes_read.saturating_sub(earlier.bytes_read),
            register_writes: self.register_writes.saturating_sub(earlier.register_writes),
            bad_reads: self.bad_reads.saturating_sub(earlier.bad_reads),
            bad_writes: self.bad_writes.saturating_sub(earlier.bad_writes),
            interrupts: self.interrupts.saturating_sub(earlier.interrupts),
            interrupts_failed: self.interrupts_failed.saturating_sub(earlier.interrupts_failed),
        }
    }
}

/// What has happened at a port and at its console. A [`Meter`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Metrics {
    /// The guest's side: bytes, accesses, interrupts.
    pub port: PortCounters,
    /// The people's side: input that was taken, refused or discarded, sessions, holes.
    pub console: Counters,
}

impl Metrics {
    /// Each number with the name of its field. No two names are the same.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        self.port.entries().chain(self.console.entries())
    }

    /// What has happened since `earlier`, for metrics that are reported as differences.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { port: self.port.since(&earlier.port), console: self.console.since(&earlier.console) }
    }
}

/// Reads the [`Metrics`] of a port, on any thread but a vCPU's: a handle, cheap to clone. It takes no lock that a vCPU takes.
///
/// [`SerialPort::meter`](crate::SerialPort::meter) makes it. It belongs to that port, and still reads the last numbers after the port was
/// dropped. The numbers are those of about the same moment: each is exact, and another thread may be between two of them.
///
/// ```
/// # use vuart::SerialPort;
/// let mut port = SerialPort::new(|| ());
/// let meter = port.meter(); // for the thread of the metrics
/// let before = meter.read();
///
/// port.write_string(0, b"login: ");
/// port.write(1, &[0x01]); // IER
/// port.read(9, &mut [0]); // no register
///
/// let new = meter.read().since(&before);
/// assert_eq!((new.port.bytes_sent, new.port.register_writes, new.port.bad_reads), (7, 1, 1));
/// let sum: u64 = new.entries().map(|(_, count)| count).sum();
/// assert_eq!(sum, 7 + 1 + 1 + 7, "and the console's `bytes_out`");
/// ```
#[derive(Debug, Clone)]
pub struct Meter {
    counts: Arc<Counts>,
    console: Console,
}

impl Meter {
    pub(crate) fn new(counts: Arc<Counts>, console: Console) -> Self {
        Self { counts, console }
    }

    /// The numbers at this moment. It takes the console's lock for a moment.
    pub fn read(&self) -> Metrics {
        Metrics { port: self.counts.read(self.console.scrollback().end()), console: self.console.counters() }
    }
}

/// What is counted of a port, but for the bytes that are sent: their count is the ring's offset.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The offset of the port's first byte.
    start: u64,
    /// Only the thread inside the port counts these four.
    pub(crate) bytes_read: Count,
    pub(crate) register_writes: Count,
    pub(crate) bad_reads: Count,
    pub(crate) bad_writes: Count,
    /// Any thread that interrupts the guest counts these. Relaxed, as all counts: they order nothing.
    pub(crate) interrupts: AtomicU64,
    pub(crate) interrupts_failed: AtomicU64,
}

impl Counts {
    /// Counts from here on. The port's first byte will have the offset `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self {
            start,
            bytes_read: Count::default(),
            register_writes: Count::default(),
            bad_reads: Count::default(),
            bad_writes: Count::default(),
            interrupts: AtomicU64::new(0),
            interrupts_failed: AtomicU64::new(0),
        }
    }

    /// The counts when the port's next byte has the offset `end`.
    pub(crate) fn read(&self, end: u64) -> PortCounters {
        PortCounters {
            bytes_sent: end.saturating_sub(self.start),
            bytes_read: self.bytes_read.get(),
            register_writes: self.register_writes.get(),
            bad_reads: self.bad_reads.get(),
            bad_writes: self.bad_writes.get(),
            interrupts: self.interrupts.load(Relaxed),
            interrupts_failed: self.interrupts_failed.load(Relaxed),
        }
    }
}

/// A count with one thread at a time that adds to it, and any number that read it.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn add_one(&self) {
        // Not a read-modify-write, which would lock the bus: nobody else stores. Relaxed: a count orders nothing.
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
