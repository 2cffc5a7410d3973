//! The timer of a server: one file descriptor for all deadlines.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use vuart_scrollback::Doorbell;

use crate::poller::Poller;

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

    /// Makes the file descriptor and has it waited for, if it is not there. Returns whether it is there.
    pub(crate) fn open(&mut self, token: u32, poller: &Poller) -> bool {
        if self.fd.is_none() && !self.refused {
            match create() {
                Ok(fd) => self.fd = Some(fd).filter(|fd| poller.add_edge(fd.as_fd(), token).is_ok()),
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
    pub(crate) fn close(&mut self, token: u32, poller: &mut Poller) {
        if let Some(fd) = self.fd.take() {
            poller.remove(fd.as_fd(), token);
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

    /// Notes that the deadline has come. The file descriptor is not read: it is reported once for each time that it expires.
    pub(crate) fn acknowledge(&mut self) {
        self.deadline = None;
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
    use super::*;

    /// Whether the timer expires in so much time (`None`: at all).
    fn expires(poller: &mut Poller, patience: Option<Duration>) -> bool {
        poller.fetch(patience).unwrap();
        poller.next().is_some()
    }

    #[test]
    fn a_timer_is_reported_once_after_its_deadline_and_not_before() {
        let (mut timer, mut poller) = (TimerFd::default(), Poller::new().unwrap());
        assert!(timer.open(7, &poller));
        let now = Instant::now();
        assert!(!expires(&mut poller, Some(Duration::ZERO)));
        timer.arm(now.checked_add(Duration::from_secs(3600))).unwrap();
        assert!(!expires(&mut poller, Some(Duration::ZERO)));
        // A deadline in the past, again and again.
        for _ in 0..3 {
            timer.arm(Some(now)).unwrap();
            assert!(expires(&mut poller, None));
            timer.acknowledge();
            assert!(!expires(&mut poller, Some(Duration::ZERO)));
        }
        // One that is taken back.
        timer.arm(now.checked_add(Duration::from_millis(1))).unwrap();
        timer.arm(None).unwrap();
        assert!(!expires(&mut poller, Some(Duration::from_millis(20))));
        timer.close(7, &mut poller);
    }
}
