//! A timer that gets the guest's thread out of the guest, every 10 ms while it is wanted.
//!
//! It is a POSIX timer whose signal goes to the thread that made it, where it does what any [kick](mod@super::kick) does. So there is no
//! thread that waits for time, and nobody but the guest's thread ever touches the port; while it is stopped it costs nothing.

use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;

use libc::{CLOCK_MONOTONIC, SIGEV_THREAD_ID, itimerspec, sigevent, timer_t, timespec};
use vmm_sys_util::signal::SIGRTMIN;

/// How long the guest's last words may wait in KVM: what nobody at a console takes for a delay.
const PERIOD: timespec = timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// The timer. It belongs to the thread that made it, and can't leave it.
#[derive(Debug)]
pub(super) struct Ticks(timer_t);

impl Ticks {
    /// For the thread that runs the processor, whose kicks are [handled](super::kick::install_handler).
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: it is made of integers and a pointer, which may be null.
        let mut event: sigevent = unsafe { zeroed() };
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGRTMIN();
        // SAFETY: it only returns a number.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: timer_t = null_mut();
        // SAFETY: both are there for the time of the call.
        match unsafe { libc::timer_create(CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } {
            0 => Ok(Self(timer)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn start(&self) {
        self.set(PERIOD);
    }

    pub(super) fn stop(&self) {
        self.set(timespec { tv_sec: 0, tv_nsec: 0 });
    }

    fn set(&self, period: timespec) {
        let setting = itimerspec { it_interval: period, it_value: period };
        // SAFETY: the timer is there until this is dropped, and the setting for the time of the call. It can't fail: the timer
        // is one, and the times are.
        unsafe { libc::timer_settime(self.0, 0, &raw const setting, null_mut()) };
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // SAFETY: the timer is there, and nobody uses it any more. A signal that is under way finds its handler, which
        // knows whether the thread has a processor.
        unsafe { libc::timer_delete(self.0) };
    }
}
