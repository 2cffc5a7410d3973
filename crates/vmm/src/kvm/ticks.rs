//! A timer that gets the vCPU out of the guest every 10 ms while KVM collects output.
//!
//! It is a POSIX timer. Its signal goes to the thread that made it, and acts as a [kick](mod@super::kick). So no further thread
//! is needed, and only the vCPU's thread touches the port. A stopped timer costs nothing.

use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;

use libc::{CLOCK_MONOTONIC, SIGEV_THREAD_ID, itimerspec, sigevent, timer_t, timespec};
use vmm_sys_util::signal::SIGRTMIN;

/// How long the guest's last output may wait in KVM. A person does not notice such a delay.
const PERIOD: timespec = timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// The timer. It belongs to the thread that made it, and can't be sent to another.
#[derive(Debug)]
pub(super) struct Ticks(timer_t);

impl Ticks {
    /// Makes a timer for the current thread, which must run the vCPU. Its handler must be
    /// [installed](super::kick::install_handler).
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the type consists of integers and a pointer, for which zero is valid.
        let mut event: sigevent = unsafe { zeroed() };
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGRTMIN();
        // SAFETY: the call only returns a number.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: timer_t = null_mut();
        // SAFETY: both pointers are valid for the time of the call.
        match unsafe { libc::timer_create(CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } {
            0 => Ok(Self(timer)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Starts the ticks.
    pub(super) fn start(&self) {
        self.set(PERIOD);
    }

    /// Stops the ticks.
    pub(super) fn stop(&self) {
        self.set(timespec { tv_sec: 0, tv_nsec: 0 });
    }

    fn set(&self, period: timespec) {
        let setting = itimerspec { it_interval: period, it_value: period };
        // SAFETY: the timer exists until this is dropped, and the setting is valid for the time of the call. The call can't
        // fail, because the timer and the times are valid.
        unsafe { libc::timer_settime(self.0, 0, &raw const setting, null_mut()) };
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // SAFETY: the timer exists, and is not used any more. A signal that is still pending reaches the handler, which
        // checks whether the thread has a vCPU.
        unsafe { libc::timer_delete(self.0) };
    }
}
