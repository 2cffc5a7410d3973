//! A kick gets a vCPU out of the guest, with a signal to its thread.
//!
//! The vCPU's thread is in `KVM_RUN` nearly all the time, whether the guest is halted or not, and a signal makes `KVM_RUN`
//! return. The difficult case is a signal that arrives just before: the thread has looked for a request to stop, has found
//! none, and is about to enter the guest. The signal is handled, and then the thread enters the guest and stays there.
//!
//! KVM has `immediate_exit` for this case, a byte in the page that the vCPU shares with KVM. While it is not 0, `KVM_RUN`
//! returns at once with `EINTR`, as it does for a signal. The signal handler sets it. The request is stored before the signal
//! is sent, so each moment at which the signal can arrive is covered:
//!
//! * before the thread looks for the request: the thread finds the request;
//! * after that, and before the kernel looks at `immediate_exit`: the byte is set, `KVM_RUN` returns, and the thread looks;
//! * later: the signal is pending, or arrives while the guest runs or is halted. `KVM_RUN` returns, and the thread looks.
//!
//! A signal without a request (any process of the user may send one) costs one more pass of the loop. The thread first clears
//! the byte and then looks for the request, so a request that arrives in between is not lost either. One signal is always
//! enough; none is sent twice.

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
    /// `immediate_exit` of the vCPU that this thread runs, or null. It has a constant initial value and no destructor, so that
    /// the handler's access is a plain load.
    static IMMEDIATE_EXIT: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
}

/// Sends the signal to the thread of a vCPU.
pub(crate) fn kick<T>(thread: &JoinHandle<T>) {
    // It can only fail if the thread has ended, which then needs no kick. The thread has not been joined, so its id can't
    // belong to another thread yet.
    let _ = thread.kill(SIGRTMIN());
}

/// Installs the handler, once for the process. All machines share it: it finds the vCPU by the thread.
pub(super) fn install_handler() -> Result<(), Error> {
    static INSTALLED: OnceLock<Result<(), errno::Error>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| signal::register_signal_handler(SIGRTMIN(), on_kick))
        .map_err(|cause| Error::Host { operation: "install the signal handler", source: cause.into() })
}

extern "C" fn on_kick(_number: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    let immediate_exit = IMMEDIATE_EXIT.get();
    if !immediate_exit.is_null() {
        // SAFETY: `Kickable` points it at a byte in the mapping of a vCPU, and resets it on the same thread before the vCPU
        // is dropped. The byte is shared with the kernel, and no code relies on its value. kvm-ioctls touches it only in
        // `set_kvm_immediate_exit`, which this thread calls, with one store.
        unsafe { immediate_exit.write_volatile(1) }
    }
}

/// A guard: while it exists, a kick of the current thread gets the vCPU out of the guest.
pub(super) struct Kickable {
    /// The guard belongs to the thread that made it.
    not_send: PhantomData<*mut u8>,
}

impl Kickable {
    /// Makes the guard on the thread that runs the vCPU. The vCPU must outlive the guard.
    pub(super) fn new(vcpu: &mut VcpuFd) -> Result<Self, Error> {
        // A thread inherits blocked signals, and a VMM that reads its signals from a signalfd blocks all of them.
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
