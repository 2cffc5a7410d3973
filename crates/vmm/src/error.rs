//! What can go wrong with a machine, and what to do about it.

use std::io;

use vmm_sys_util::errno;

/// Why there is no machine, or why it ended in another way than a guest's halt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The guest is x86 code.
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

    /// KVM speaks another version of its interface, or this is no KVM.
    #[error("/dev/kvm has API version {0}, and 12 is needed: only the software machine runs here")]
    KvmVersion(i32),

    /// KVM lacks something that the machine is made of.
    #[error("/dev/kvm has no {0}: only the software machine runs here")]
    KvmCapability(&'static str),

    /// KVM refused a request.
    #[error("/dev/kvm: can't {operation}: {cause}; the software machine needs no KVM")]
    Kvm {
        /// What was asked of it.
        operation: &'static str,
        /// What it answered.
        cause: errno::Error,
    },

    /// The guest's memory could not be had.
    #[error("can't get the guest's memory: {0}; the software machine needs none")]
    Memory(String),

    /// The thread, an event or the signal of the machine could not be had.
    #[error("can't {operation} (is a limit on processes or open files reached? see `ulimit -a`)")]
    Host {
        /// What could not be done.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },

    /// A software machine has no processor.
    #[error("machine code needs KVM: the software machine has no processor for it")]
    NoProcessor,

    /// Two devices of the board claim the same port.
    #[error("can't put the devices on the bus")]
    Bus(#[from] vm_device::bus::Error),

    /// The guest found no 16550A at COM1, and halted.
    #[error("the guest found no 16550A at COM1: {0}")]
    NoUart(UartTest),

    /// The guest's processor met with something that the guest did not expect.
    #[error("the guest crashed: {0}; this is a bug, please report it")]
    GuestCrashed(String),

    /// The thread of the guest panicked, which only a device on the bus can make it do.
    #[error("the device at COM1 panicked, which is a bug; its message is on stderr")]
    DevicePanicked,
}

/// The test that the UART did not pass, in the order in which the guest makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UartTest {
    /// Nothing is there, or it is no UART.
    #[error("IER must hold the low four bits of what is written, and only them")]
    InterruptEnable,
    /// An 8250.
    #[error("SCR must hold what is written")]
    Scratch,
    /// Loopback is not emulated.
    #[error("in loopback MSR must show OUT2 and RTS as DCD and CTS")]
    Loopback,
    /// Some other UART.
    #[error("IIR bits 5:3 must be 0 without FIFOs")]
    Identification,
    /// An 8250, 16450 or 16550 without A.
    #[error("IIR bits 7:6 must be 11 with FIFOs")]
    Fifo,
    /// Another depth than 16, or a FIFO that loses or shuffles characters.
    #[error("the receiver's FIFO must hold the first 16 characters that come")]
    Depth,
}
