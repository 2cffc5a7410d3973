//! The system calls, and the memory that KVM shares: all unsafe code of this crate.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use libc::{c_int, itimerspec, off_t, timespec};

/// `_IO(KVMIO, 0x03)`.
const KVM_CHECK_EXTENSION: libc::Ioctl = 0xAE03;
/// `_IOW(KVMIO, 0x67, struct kvm_coalesced_mmio_zone)`, and 0x68 for the other, as x86, Arm and RISC-V encode it.
const KVM_REGISTER_COALESCED_MMIO: libc::Ioctl = 0x4010_AE67;
const KVM_UNREGISTER_COALESCED_MMIO: libc::Ioctl = 0x4010_AE68;

/// A capability of KVM, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Capability {
    /// `KVM_CAP_COALESCED_MMIO`: its value is the page's place in the mapping of a vCPU, in pages.
    CoalescedMmio = 15,
    /// `KVM_CAP_COALESCED_PIO`: zones may be I/O ports. Since Linux 5.0.
    CoalescedPio = 162,
}

/// What the virtual machine answers to a question for a capability: 0 means no.
pub(crate) fn check_extension(vm: BorrowedFd<'_>, capability: Capability) -> io::Result<u32> {
    // SAFETY: this request takes a number and changes no memory of this process, whatever the file descriptor is.
    let answer = unsafe { libc::ioctl(vm.as_raw_fd(), KVM_CHECK_EXTENSION, capability as c_int) };
    u32::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// `struct kvm_coalesced_mmio_zone`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawZone {
    pub(crate) address: u64,
    pub(crate) size: u32,
    pub(crate) pio: u32,
}

/// Registers a zone, or unregisters it. When this has unregistered a zone, no vCPU adds to the page for it any more.
pub(crate) fn set_zone(vm: BorrowedFd<'_>, zone: &RawZone, registered: bool) -> io::Result<()> {
    let request = if registered { KVM_REGISTER_COALESCED_MMIO } else { KVM_UNREGISTER_COALESCED_MMIO };
    // SAFETY: the kernel reads a zone, which is valid for the time of the call, and writes nothing.
    match unsafe { libc::ioctl(vm.as_raw_fd(), request, std::ptr::from_ref(zone)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The size of the kernel's pages in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: the call takes and returns numbers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// One page that the kernel shares with this process.
#[derive(Debug)]
pub(crate) struct SharedPage {
    words: NonNull<AtomicU32>,
    bytes: usize,
}

// SAFETY: the memory belongs to no thread, and it is accessed by atomics only.
unsafe impl Send for SharedPage {}
// SAFETY: as above.
unsafe impl Sync for SharedPage {}

impl SharedPage {
    /// Maps page `number` of a file. The mapping outlives the file descriptor.
    pub(crate) fn map(file: BorrowedFd<'_>, number: u32) -> io::Result<Self> {
        let bytes = page_size();
        let offset = usize::try_from(number).ok().and_then(|number| number.checked_mul(bytes));
        let offset =
            offset.and_then(|offset| off_t::try_from(offset).ok()).ok_or(io::ErrorKind::InvalidInput)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: with no address given, the kernel maps it where nothing is mapped.
        let place =
            unsafe { libc::mmap(null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), offset) };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words = NonNull::new(place.cast()).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { words, bytes })
    }

    /// The page as words. The kernel changes them at any time, so each value is one to distrust.
    pub(crate) fn words(&self) -> &[AtomicU32] {
        // SAFETY: a page is mapped here until `self` is dropped, readable and writable, and aligned as pages are. All bits are valid for its
        // words. This process accesses it by atomics only. The kernel is like a thread that uses atomics: it stores whole aligned
        // words of `first` and `last`, and does not store to an entry between the `last` that publishes it and the `first` that frees it.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.bytes / size_of::<AtomicU32>()) }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no reference into it is left. The call can fail only for a range that is none.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.bytes) };
    }
}

/// A timer as a file descriptor, which does not block and is not running.
pub(crate) fn timerfd() -> io::Result<OwnedFd> {
    // SAFETY: the call takes and returns numbers.
    let timer =
        unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
    if timer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(timer) })
}

/// Lets a timer expire once, `after` this time, which must be less than a second and not zero. What was set before is forgotten.
pub(crate) fn set_timer(timer: BorrowedFd<'_>, after: Duration) -> io::Result<()> {
    let never = timespec { tv_sec: 0, tv_nsec: 0 };
    let setting = itimerspec {
        it_interval: never,
        it_value: timespec { tv_nsec: after.subsec_nanos().into(), ..never },
    };
    // SAFETY: the kernel reads the setting, which is valid for the time of the call. It writes nothing, because the last pointer is null.
    match unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const setting, null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
