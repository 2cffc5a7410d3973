//! Getting a virtual processor out of the guest.
//!
//! The processor's thread is inside `KVM_RUN` nearly all the time, halted or not, and a signal makes it return. The
//! difficulty is the signal that comes just before: the thread has looked at the request to stop, found none, and is about
//! to enter. The signal is handled, and then the thread enters and stays.
//!
//! That is what `immediate_exit` is for, a byte of the page that the processor shares with KVM: while it is not 0,
//! `KVM_RUN` returns at once, with `EINTR`, as it does for a signal. The handler sets it. With the request stored before
//! the signal is sent, each moment at which the signal can come is covered:
//!
//! * before the thread looks at the request: it finds it;
//! * between the look and the kernel's own look at `immediate_exit`: the byte is set, `KVM_RUN` returns, the thread looks;
//! * later: the signal is pending or comes while the guest runs or is halted, `KVM_RUN` returns, the thread looks.
//!
//! A signal that comes without a request (anybody may send one) costs a turn: the thread clears the byte and only then
//! looks at the request, so what comes in between is not lost either. One signal is always enough, nothing is sent twice.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;
use std::thread::JoinHandle;

use kvm_ioctls::VcpuFd;
use libc::{c_int, c_void, siginfo_t};
use vmm_sys_util::errno;
use vmm_sys_util::signal::{self, Killable, SIGRTMIN};

use crate::Error;

thread_local! {
    /// `immediate_exit` of the processor that this thread is, or null. Constant at first and without a destructor, so that
    /// the handler's access is a plain load.
    static IMMEDIATE_EXIT: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
}

/// Sends the signal to the thread of a processor.
pub(crate) fn kick<T>(thread: &JoinHandle<T>) {
    // It can only fail because the thread is over, and then it needs no kick. The handle has not been joined, so it is
    // this thread's and no other's.
    let _ = thread.kill(SIGRTMIN());
}

/// Installs the handler, once for the process: it is the same for all machines, and finds its processor by thread.
pub(super) fn install_handler() -> Result<(), Error> {
    static INSTALLED: OnceLock<Result<(), errno::Error>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| signal::register_signal_handler(SIGRTMIN(), on_kick))
        .map_err(|cause| Error::Host { operation: "install the signal handler", source: cause.into() })
}

extern "C" fn on_kick(_number: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    let immediate_exit = IMMEDIATE_EXIT.get();
    if !immediate_exit.is_null() {
        // SAFETY: `Kickable` points it at a byte of the mapping of a processor, and takes it back, on this thread, before
        // the processor is dropped. The byte is shared with the kernel: nothing relies on its staying as it is, and
        // kvm-ioctls touches it only in `set_kvm_immediate_exit`, which this thread calls, with one store.
        unsafe { immediate_exit.write_volatile(1) }
    }
}

/// While it lives, a kick of the current thread takes the processor out of the guest.
pub(super) struct Kickable {
    /// It is about the thread that made it.
    not_send: PhantomData<*mut u8>,
}

impl Kickable {
    /// For the thread that runs the processor. The processor must outlive it.
    pub(super) fn new(vcpu: &mut VcpuFd) -> Result<Self, Error> {
        // Threads inherit what their parent has blocked, and a VMM that takes its signals from a signalfd blocks all.
        signal::unblock_signal(SIGRTMIN()).map_err(|cause| Error::Host {
            operation: "unblock the signal of the guest's thread",
            source: std::io::Error::other(cause.to_string()),
        })?;
        IMMEDIATE_EXIT.set(&raw mut vcpu.get_kvm_run().immediate_exit);
        Ok(Self { not_send: PhantomData })
    }
}

impl Drop for Kickable {
    fn drop(&mut self) {
        IMMEDIATE_EXIT.set(ptr::null_mut());
    }
}
