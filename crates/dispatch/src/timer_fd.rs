//! The timer of a part: one file descriptor for all its deadlines.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer that is a file descriptor: it becomes readable when its deadline has come. For whoever writes a part: see
/// [`Dispatch`](crate::Dispatch).
///
/// Make it with the part and keep it. So the part has its deadlines also when the process has no file descriptor left, and a filter of system
/// calls that comes later need not allow the making of timers. Add it to the part's epoll instance edge-triggered (`EPOLLET`): it is reported
/// once for each time that it expires, and never needs to be read.
///
/// ```
/// use std::time::{Duration, Instant};
/// use vuart_dispatch::TimerFd;
///
/// let mut timer = TimerFd::new()?;
/// timer.arm(Some(Instant::now() + Duration::from_secs(1)))?;
/// // When the epoll instance reports it:
/// timer.acknowledge();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TimerFd {
    fd: OwnedFd,
    /// The deadline that the file descriptor is set to.
    deadline: Option<Instant>,
}

impl TimerFd {
    /// Makes a timer without a deadline.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left, or the system refuses timers.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { fd, deadline: None })
    }

    /// Makes the file descriptor readable at `deadline` and not before, or never for `None`. Costs no system call when the deadline is the
    /// same as before.
    ///
    /// # Errors
    ///
    /// When the system refuses it, as a filter of system calls may.
    pub fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
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
    pub fn acknowledge(&mut self) {
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
    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

    use super::*;

    /// Whether the timer expires in so much time (`None`: at all).
    fn expires(epoll: &OwnedFd, patience: Option<Duration>) -> bool {
        let patience = patience.map(|patience| Timespec::try_from(patience).unwrap());
        let mut room = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 2];
        epoll::wait(epoll, &mut room[..], patience.as_ref()).unwrap() == 1
    }

    #[test]
    fn a_timer_is_reported_once_after_its_deadline_and_not_before() {
        let mut timer = TimerFd::new().unwrap();
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        epoll::add(&epoll, &timer, EventData::new_u64(7), EventFlags::IN | EventFlags::ET).unwrap();
        let now = Instant::now();
        assert!(!expires(&epoll, Some(Duration::ZERO)));
        timer.arm(now.checked_add(Duration::from_secs(3600))).unwrap();
        assert!(!expires(&epoll, Some(Duration::ZERO)));
        // A deadline in the past, again and again.
        for _ in 0..3 {
            timer.arm(Some(now)).unwrap();
            assert!(expires(&epoll, None));
            timer.acknowledge();
            assert!(!expires(&epoll, Some(Duration::ZERO)));
        }
        // One that is taken back.
        timer.arm(now.checked_add(Duration::from_millis(1))).unwrap();
        timer.arm(None).unwrap();
        assert!(!expires(&epoll, Some(Duration::from_millis(20))));
    }
}
