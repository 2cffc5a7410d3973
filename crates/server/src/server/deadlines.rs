//! The deadlines of a server: one for each reason to act although nothing happens.

use std::time::Instant;

/// The reasons to act at a certain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// A client has not introduced itself, or has not read why it must leave the pseudo-terminal, or has rested long enough.
    Client,
    /// The users of the pseudo-terminal have had time to read why they must leave.
    Pty,
    /// There was no file descriptor for a new client, and there may be one now; or clients came too fast.
    Accept,
    /// A client that has come too soon after others of its user may be admitted.
    Admit,
    /// Output flows: look for more of it.
    Look,
    /// The console has something to do: an idle owner, a grace time that is over.
    Service,
}

impl Timer {
    const ALL: [Self; 6] = [Self::Client, Self::Pty, Self::Accept, Self::Admit, Self::Look, Self::Service];
}

/// A table with a deadline, or none, for each [`Timer`].
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    at: [Option<Instant>; Timer::ALL.len()],
}

impl Deadlines {
    /// Sets or clears a deadline.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        self.at[timer as usize] = at;
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize].is_some()
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Clears a deadline that has come, and returns its timer. Call it until it returns `None`.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Timer> {
        Timer::ALL
            .into_iter()
            .find(|timer| self.at[*timer as usize].take_if(|deadline| *deadline <= now).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_deadline_expires_once_and_not_before_its_time() {
        let (mut deadlines, now) = (Deadlines::default(), Instant::now());
        assert_eq!((deadlines.next(), deadlines.take_expired(now)), (None, None));
        let later = now + Duration::from_secs(1);
        for timer in Timer::ALL {
            deadlines.set(timer, Some(later));
        }
        deadlines.set(Timer::Look, Some(now));
        assert_eq!(deadlines.next(), Some(now));
        assert_eq!(deadlines.take_expired(now), Some(Timer::Look));
        assert!(!deadlines.is_set(Timer::Look));
        assert_eq!((deadlines.next(), deadlines.take_expired(now)), (Some(later), None));
        deadlines.set(Timer::Accept, None);
        let expired: Vec<_> = std::iter::from_fn(|| deadlines.take_expired(later)).collect();
        assert_eq!(expired, [Timer::Client, Timer::Pty, Timer::Admit, Timer::Service]);
        assert_eq!(deadlines.next(), None);
    }
}
