//! The timer of a server: one file descriptor in its event loop for all deadlines.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer that is a file descriptor: readable when its deadline has come.
#[derive(Debug)]
pub(crate) struct TimerFd {
    fd: OwnedFd,
    deadline: Option<Instant>,
}

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
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

    /// Makes the file descriptor unreadable again, without a deadline.
    pub(crate) fn acknowledge(&mut self) {
        // Non-blocking: if the timer has been armed again since it was readable, there is nothing to read.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        self.deadline = None;
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn is_ready(timer: &TimerFd, patience: Option<&Timespec>) -> bool {
        poll(&mut [PollFd::new(&timer.fd, PollFlags::IN)], patience).unwrap() == 1
    }

    #[test]
    fn a_timer_is_readable_after_its_deadline_and_only_then() {
        let mut timer = TimerFd::new().unwrap();
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
