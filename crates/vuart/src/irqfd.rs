//! The usual interrupt of a VMM on KVM.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use vm_superio::Trigger;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// An eventfd that KVM (or anything else) turns into an edge of the interrupt line.
///
/// [`new`](Self::new) makes the eventfd, for a VMM whose `vmm-sys-util` is another version than ours, or that has none. One that you make
/// should have `EFD_NONBLOCK`, because the vCPU's thread writes to it.
///
/// ```
/// use vuart::{IrqFd, SerialPort};
/// # struct Vm; impl Vm { fn register_irqfd(&self, _: &vuart::EventFd, _: u32) -> std::io::Result<()> { Ok(()) } } let vm = Vm;
/// let port = SerialPort::new(IrqFd::new()?);
/// vm.register_irqfd(&port.trigger().0, 4)?; // COM1 of a PC has IRQ 4
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct IrqFd(pub EventFd);

impl IrqFd {
    /// Makes an eventfd that does not block and is closed in a child.
    ///
    /// # Errors
    ///
    /// When no file descriptor is left.
    pub fn new() -> io::Result<Self> {
        EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map(Self)
    }

    /// Makes another handle of the same eventfd.
    ///
    /// # Errors
    ///
    /// When no file descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl From<EventFd> for IrqFd {
    fn from(event: EventFd) -> Self {
        Self(event)
    }
}

impl AsRawFd for IrqFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Trigger for IrqFd {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}
