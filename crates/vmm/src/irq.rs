//! The interrupt line of COM1, from the device to the machine.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use vm_superio::Trigger;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// What a machine does for an edge of the line, on the thread that raises it.
type Pulse = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// The interrupt line of COM1: the device raises it, and the machine takes it. A handle, cheap to clone.
///
/// Make it first, give a clone to the device as its [`Trigger`], and give it to [`Machine::start`](crate::Machine::start).
///
/// With KVM an edge is then injected by the thread that raises it (`KVM_IRQ_LINE`), and not by an irqfd: for the interrupt
/// inputs of a PC's 8259 and I/O APIC, KVM leaves what comes through an irqfd to a work queue of the host. On a busy host with few
/// processors the guest then waits for its interrupt until the work queue is served, which can take seconds.
///
/// A machine also takes a plain [`EventFd`] that a device writes to, such as a [`vuart::IrqFd`]. That is an irqfd with KVM.
#[derive(Clone)]
pub struct Irq(Arc<Line>);

struct Line {
    /// Takes the edges until a machine is connected, and those of a machine that waits for it.
    event: EventFd,
    pulse: OnceLock<Pulse>,
}

impl Irq {
    /// A line that no machine is connected to. Edges are kept for the machine.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map(Self::from)
    }

    pub(crate) fn event(&self) -> &EventFd {
        &self.0.event
    }

    /// From now on an edge is this pulse. Edges that come meanwhile are in the event.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn connect(&self, pulse: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
        // A line belongs to one machine. A second one would take its edges from the event, where there are none any more.
        let _ = self.0.pulse.set(Box::new(pulse));
    }
}

impl From<EventFd> for Irq {
    fn from(event: EventFd) -> Self {
        Self(Arc::new(Line { event, pulse: OnceLock::new() }))
    }
}

impl Trigger for Irq {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        match self.0.pulse.get() {
            Some(pulse) => pulse(),
            None => self.0.event.write(1),
        }
    }
}

impl fmt::Debug for Irq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Irq").field("event", &self.0.event).finish_non_exhaustive()
    }
}
