//! The errors of a machine, with messages that say what to do.

use std::io;

use vmm_sys_util::errno;

/// The reason why a machine could not be started, or ended other than by the guest's halt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host is not x86-64, and the guest is x86 code.
    #[error("this host is not x86-64, which the guest's code is for: only the software machine runs here")]
    NotX86,

    /// There is no KVM device.
    #[error(
        "no /dev/kvm on this machine (if its processor has virtualisation, load the module kvm_intel or kvm_amd; in a \
         container, pass the device in)"
    )]
    NoKvm,

    /// The KVM device may not be opened.
    #[error(
        "/dev/kvm: permission denied (add yourself to the group 'kvm' and log in again; in a container, pass the device \
         in)"
    )]
    KvmPermission,

    /// Another hypervisor holds the processor's virtualisation.
    #[error("/dev/kvm is busy: stop the other hypervisor that runs on this machine")]
    KvmBusy,

    /// The device has another version of KVM's interface, or is not KVM.
    #[error("/dev/kvm has API version {0}, and 12 is needed: only the software machine runs here")]
    KvmVersion(i32),

    /// KVM lacks a capability that the machine needs.
    #[error("/dev/kvm has no {0}: only the software machine runs here")]
    KvmCapability(&'static str),

    /// KVM refused a request.
    #[error("/dev/kvm: can't {operation}: {cause}; the software machine needs no KVM")]
    Kvm {
        /// The request.
        operation: &'static str,
        /// The underlying error.
        cause: errno::Error,
    },

    /// The guest's memory could not be allocated.
    #[error("can't get the guest's memory: {0}; the software machine needs none")]
    Memory(String),

    /// The thread, an event or the signal of the machine could not be set up.
    #[error("can't {operation} (is a limit on processes or open files reached? see `ulimit -a`)")]
    Host {
        /// The operation that failed.
        operation: &'static str,
        /// The underlying error.
        source: io::Error,
    },

    /// The program is machine code, and a software machine has no processor for it.
    #[error("machine code needs KVM: the software machine has no processor for it")]
    NoProcessor,

    /// Two devices of the board claim the same port.
    #[error("can't put the devices on the bus")]
    Bus(#[from] vm_device::bus::Error),

    /// The guest found no 16550A at COM1, and halted.
    #[error("the guest found no 16550A at COM1: {0}")]
    NoUart(UartTest),

    /// The guest's processor met a fault.
    #[error("the guest crashed: {0}; this is a bug, please report it")]
    GuestCrashed(String),

    /// The guest's processor met a fault that nothing handled, which resets a PC, and the guest was not to boot again.
    #[error("the guest crashed: triple fault; this is a bug, please report it")]
    TripleFault,

    /// The guest's thread panicked. Only a device on the bus can cause that.
    #[error("the device at COM1 panicked, which is a bug; its message is on stderr")]
    DevicePanicked,
}

/// A test of the UART by the guest. The guest makes the tests in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UartTest {
    /// IER. It fails if there is no device, or no UART.
    #[error("IER must hold the low four bits of what is written, and only them")]
    InterruptEnable,
    /// The scratch register. It fails on an 8250.
    #[error("SCR must hold what is written")]
    Scratch,
    /// Loopback. It fails if the device does not emulate loopback.
    #[error("in loopback MSR must show OUT2 and RTS as DCD and CTS")]
    Loopback,
    /// IIR. It fails on another kind of UART.
    #[error("IIR bits 5:3 must be 0 without FIFOs")]
    Identification,
    /// The FIFOs. It fails on an 8250, a 16450, or a 16550 without A.
    #[error("IIR bits 7:6 must be 11 with FIFOs")]
    Fifo,
    /// The depth of the receiver's FIFO. It fails if the depth is not 16, or if characters are lost or reordered.
    #[error("the receiver's FIFO must hold the first 16 characters that come")]
    Depth,
}
