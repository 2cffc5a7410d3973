//! The timer of a server: one file descriptor in its event loop for all deadlines.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use event_manager::EventOps;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use vuart_scrollback::Doorbell;

use crate::ready::Ready;

/// A timer that is a file descriptor: readable when its deadline has come. An idle console has no deadline, so the file
/// descriptor is there only while it is needed.
#[derive(Debug, Default)]
pub(crate) struct TimerFd {
    fd: Option<OwnedFd>,
    /// The deadline that the file descriptor is set to.
    deadline: Option<Instant>,
    /// The system refuses timers, as a seccomp filter does: none is asked for again.
    refused: bool,
    /// A thread [waits](Self::wait_without) in place of the file descriptor.
    waits: Arc<AtomicBool>,
}

impl TimerFd {
    /// How often a server without a file descriptor looks for one, and for deadlines that have come.
    pub(crate) const RETRY: Duration = Duration::from_millis(500);

    /// Makes the file descriptor and adds it to the event loop, if it is not there. Returns whether it is there.
    pub(crate) fn open(&mut self, token: u32, ops: &mut EventOps<'_>) -> bool {
        if self.fd.is_none() && !self.refused {
            match create() {
                Ok(fd) => self.fd = Some(fd).filter(|fd| ops.add(Ready::READ.of(fd.as_fd(), token)).is_ok()),
                Err(error) if is_exhaustion(error) => {}
                Err(error) => {
                    log::error!(
                        "a console's server can make no timer: {error}; a thread keeps its deadlines"
                    );
                    self.refused = true;
                }
            }
        }
        self.fd.is_some()
    }

    /// Whether the system refuses timers for good. Then clients are served without: deadlines are met up to
    /// [`RETRY`](Self::RETRY) late, and the guest wakes the server for its output.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Gives the file descriptor back.
    pub(crate) fn close(&mut self, ops: &mut EventOps<'_>) {
        if let Some(fd) = self.fd.take() {
            let _ = ops.remove(Ready::NEITHER.of(fd.as_fd(), 0));
            self.deadline = None;
        }
    }

    /// Makes the file descriptor readable at `deadline` and not before, or never for `None`. Costs no system call when the
    /// deadline is the same as before.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let Some(fd) = self.fd.as_ref().filter(|_| self.deadline != deadline) else { return Ok(()) };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would disarm the timer, and a deadline that is over is due now.
        let left =
            deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)));
        let value = left.map_or(zero, |left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        timerfd_settime(fd, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value: value })?;
        self.deadline = deadline;
        Ok(())
    }

    /// Makes the file descriptor unreadable again, without a deadline.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(fd) = &self.fd {
            // Non-blocking: if the timer has been armed again since it was readable, there is nothing to read.
            let _ = rustix::io::read(fd, &mut [0; 8]);
            self.deadline = None;
        }
    }

    /// Rings the doorbell once after [`RETRY`](Self::RETRY): the server has a deadline, and no file descriptor can be made.
    /// Only a thread can wait without one. It ends with the ring.
    pub(crate) fn wait_without(&self, doorbell: &Doorbell) -> io::Result<()> {
        if self.waits.swap(true, SeqCst) {
            return Ok(());
        }
        let (waits, doorbell) = (Arc::clone(&self.waits), doorbell.clone());
        let waiter = thread::Builder::new().name("vuart-timer".to_owned()).spawn(move || {
            thread::sleep(Self::RETRY);
            // Before the ring: the pass that it causes may need another thread.
            waits.store(false, SeqCst);
            doorbell.ring();
        });
        if waiter.is_err() {
            self.waits.store(false, SeqCst);
        }
        waiter.map(drop)
    }
}

/// Whether an error says that there is no file descriptor or memory at present.
pub(crate) fn is_exhaustion(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

fn create() -> rustix::io::Result<OwnedFd> {
    timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn is_ready(timer: &TimerFd, patience: Option<&Timespec>) -> bool {
        poll(&mut [PollFd::new(timer.fd.as_ref().unwrap(), PollFlags::IN)], patience).unwrap() == 1
    }

    #[test]
    fn a_timer_is_readable_after_its_deadline_and_only_then() {
        let mut timer = TimerFd { fd: create().ok(), ..TimerFd::default() };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let now = Instant::now();
        assert!(!is_ready(&timer, Some(&zero)));
        timer.arm(now.checked_add(Duration::from_secs(3600))).unwrap();
        assert!(!is_ready(&timer, Some(&zero)));
        // A deadline in the past.
        timer.arm(Some(now)).unwrap();
        assert!(is_ready(&timer, None));
        timer.acknowledge();
        assert!(!is_ready(&timer, Some(&zero)));
        timer.arm(now.checked_add(Duration::from_millis(1))).unwrap();
        timer.arm(None).unwrap();
        assert!(!is_ready(&timer, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 })));
    }
}
