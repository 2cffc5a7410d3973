//! The timer of a server: one file descriptor for all deadlines.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::poller::Poller;

/// A timer that is a file descriptor: readable when its deadline has come.
///
/// It is made with the server and kept. So a server has its deadlines also when the process has no file descriptor left, and
/// a filter of system calls that comes later need not allow the making of timers.
#[derive(Debug)]
pub(crate) struct TimerFd {
    fd: OwnedFd,
    /// The deadline that the file descriptor is set to.
    deadline: Option<Instant>,
}

impl TimerFd {
    /// Makes the file descriptor and has it waited for.
    pub(crate) fn new(token: u32, poller: &Poller) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        poller.add_edge(fd.as_fd(), token)?;
        Ok(Self { fd, deadline: None })
    }

    /// Makes the file descriptor readable at `deadline` and not before, or never for `None`. Costs no system call when the
    /// deadline is the same as before.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.deadline == deadline {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would disarm the timer, and a deadline that is over is due now.
        let left =
            deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)));
        let value = left.map_or(zero, |left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        timerfd_settime(
            &self.fd,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        self.deadline = deadline;
        Ok(())
    }

    /// Notes that the deadline has come. The file descriptor is not read: it is reported once for each time that it expires.
    pub(crate) fn acknowledge(&mut self) {
        self.deadline = None;
    }
}

/// Whether an error says that there is no file descriptor or memory at present.
pub(crate) fn is_exhaustion(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
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
        let mut poller = Poller::new().unwrap();
        let mut timer = TimerFd::new(7, &poller).unwrap();
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
    }
}
