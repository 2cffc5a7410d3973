//! What the kernel does: it collects the writes to a zone, while that is registered.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::page;
use crate::sys::{self, Capability, RawZone, SharedPage};

/// The accesses that KVM collects: writes to one port, in port I/O or in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    pub(crate) address: u64,
    pub(crate) size: u32,
    pub(crate) pio: bool,
}

impl Zone {
    /// Single bytes to an I/O port. A wider write is an exit.
    pub const fn pio(port: u16) -> Self {
        // Lossless, and `From` is not const.
        Self { address: port as u64, size: 1, pio: true }
    }

    /// Writes to the first register of a range in memory whose registers are `1 << shift` bytes apart, and at most eight bytes wide. The
    /// register is the lowest byte. With `shift` 0, single bytes.
    pub const fn mmio(address: u64, shift: u8) -> Self {
        Self { address, size: if shift < 3 { 1 << shift } else { 8 }, pio: false }
    }

    /// Asks KVM for it. The zone is not registered yet.
    ///
    /// `vm` and `vcpu` are the file descriptors of the virtual machine and of any of its vCPUs. They may be closed later: this keeps a duplicate of
    /// the first and a mapping of the second. So the virtual machine lives at least as long.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Then each write is an exit, as it is without this.
    pub fn open(self, vm: impl AsFd, vcpu: impl AsFd) -> Result<Kvm, OpenError> {
        let vm = vm.as_fd();
        let place = sys::check_extension(vm, Capability::CoalescedMmio).map_err(OpenError::Ask)?;
        let has_pio =
            !self.pio || sys::check_extension(vm, Capability::CoalescedPio).map_err(OpenError::Ask)? != 0;
        if place == 0 || !has_pio {
            return Err(OpenError::Unsupported);
        }
        let page = SharedPage::map(vcpu.as_fd(), place).map_err(OpenError::Map)?;
        let vm = vm.try_clone_to_owned().map_err(OpenError::Duplicate)?;
        if !page::claim(page.words()) {
            return Err(OpenError::Busy);
        }
        Ok(Kvm { vm, page, zone: self })
    }
}

/// Why KVM does not collect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Linux is older than 5.0, or has no coalesced I/O on this architecture.
    #[error("this kernel can't collect a guest's writes")]
    Unsupported,
    /// It is not the file descriptor of a virtual machine, or a filter refuses the call.
    #[error("asking KVM whether it can collect a guest's writes: {0}")]
    Ask(#[source] io::Error),
    /// The page that KVM shares could not be mapped.
    #[error("mapping the page in which KVM collects: {0}")]
    Map(#[source] io::Error),
    /// The file descriptor of the virtual machine could not be duplicated.
    #[error("duplicating the virtual machine's file descriptor: {0}")]
    Duplicate(#[source] io::Error),
    /// There is no timer.
    #[error("making a timer: {0}")]
    Timer(#[source] io::Error),
    /// Another device of this virtual machine has the page in which KVM collects.
    #[error("another device's writes are collected already, and a virtual machine has one page for all")]
    Busy,
    /// This device is coalesced already.
    #[error("the device's writes are collected already")]
    Twice,
}

/// What collects writes: [`Kvm`], or a test's stand-in.
///
/// All calls come from the [`Collector`](crate::Collector) and its [`Ticker`](crate::Ticker), and none of them blocks for long.
pub trait Kernel: fmt::Debug + Send + Sync {
    /// Begins to collect.
    ///
    /// # Errors
    ///
    /// The kernel refuses. It is not asked again.
    fn register(&self) -> io::Result<()>;

    /// Ends it. After this call nothing is added. Without a zone the call does nothing and succeeds. Two threads may call it at
    /// the same time; each returns when nothing is added any more.
    ///
    /// # Errors
    ///
    /// The kernel may go on to collect. It is asked again.
    fn unregister(&self) -> io::Result<()>;

    /// Takes what was collected, oldest first. Returns how many bytes it has put into `bytes`. If it is fewer than there is room for, nothing
    /// is left. Only one thread takes at a time.
    fn take(&self, bytes: &mut [u8]) -> usize;

    /// At least as many writes as the kernel holds.
    fn capacity(&self) -> usize;
}

/// KVM, which collects the writes to a [`Zone`].
#[derive(Debug)]
pub struct Kvm {
    vm: OwnedFd,
    page: SharedPage,
    zone: Zone,
}

impl Drop for Kvm {
    fn drop(&mut self) {
        page::release(self.page.words());
    }
}

impl Kvm {
    fn set(&self, registered: bool) -> io::Result<()> {
        let Zone { address, size, pio } = self.zone;
        sys::set_zone(self.vm.as_fd(), &RawZone { address, size, pio: pio.into() }, registered)
    }
}

impl Kernel for Kvm {
    fn register(&self) -> io::Result<()> {
        self.set(true)
    }

    /// To unregister, KVM takes a lock of its own and waits until all vCPUs have left its device code.
    fn unregister(&self) -> io::Result<()> {
        self.set(false)
    }

    fn take(&self, bytes: &mut [u8]) -> usize {
        page::take(self.page.words(), &self.zone, bytes)
    }

    fn capacity(&self) -> usize {
        page::entries(self.page.words().len())
    }
}
