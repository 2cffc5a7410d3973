//! The usual interrupt of a VMM on KVM.

use std::io;

use vm_superio::Trigger;
use vmm_sys_util::eventfd::EventFd;

/// An eventfd that KVM (or anything else) turns into an edge of the interrupt line.
///
/// Make the eventfd with `EFD_NONBLOCK`, because the vCPU's thread writes to it.
#[derive(Debug)]
pub struct IrqFd(pub EventFd);

impl Trigger for IrqFd {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}
