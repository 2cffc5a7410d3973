//! One timer for all that a server waits for by time: a file descriptor in its event loop, armed while there is a deadline.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

#[derive(Debug)]
pub(crate) struct Timer {
    fd: OwnedFd,
    armed: Option<Instant>,
}

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { fd, armed: None })
    }

    /// Has the file descriptor readable at `deadline`, and not before; never for `None`.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.armed == deadline {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A zero would disarm it; what is over is due now.
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
        self.armed = deadline;
        Ok(())
    }

    /// It has been readable: it isn't any more, and it is not armed.
    pub(crate) fn acknowledge(&mut self) {
        // It is non-blocking; whoever was armed anew meanwhile finds nothing to read.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        self.armed = None;
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn is_ready(timer: &Timer, patience: Option<&Timespec>) -> bool {
        poll(&mut [PollFd::new(&timer.fd, PollFlags::IN)], patience).unwrap() == 1
    }

    #[test]
    fn readable_when_it_is_due_and_not_when_nothing_is() {
        let mut timer = Timer::new().unwrap();
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let now = Instant::now();
        assert!(!is_ready(&timer, Some(&zero)));
        timer.arm(now.checked_add(Duration::from_secs(3600))).unwrap();
        assert!(!is_ready(&timer, Some(&zero)));
        // It was due before.
        timer.arm(Some(now)).unwrap();
        assert!(is_ready(&timer, None));
        timer.acknowledge();
        assert!(!is_ready(&timer, Some(&zero)));
        timer.arm(now.checked_add(Duration::from_millis(1))).unwrap();
        timer.arm(None).unwrap();
        assert!(!is_ready(&timer, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 })));
    }
}
