//! The users whose clients come: how often, and how much they ask for that comes to nothing.
//!
//! Whatever the clients of one user do, the thread has time for the others. A user's clients are not sent away for it: they
//! wait. Two things are limited, each by an [allowance](Allowance):
//!
//! * how often a client *arrives*. To accept a client, to find out who it is, and to close its connection again costs some
//!   hundred microseconds, whatever it says;
//! * how much *idle work* its clients cause: input of somebody who does not own the console, requests that are answered with an
//!   error, questions that are asked again and again.
//!
//! What an owner types, the output, and sessions that begin and end cost nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::allowance::Allowance;

/// How long an arrival takes to come back: 64 a second.
const ARRIVAL: Duration = Duration::from_micros(15_625);

/// How many clients may arrive at once, besides four for each place.
const ARRIVALS: usize = 64;

/// The idle work of a second, in the measure of [`Users::works`].
const WORK_EACH_SECOND: u64 = 1 << 20;

/// How much idle work may be done at once: that of a second.
const WORK: Duration = Duration::from_secs(1);

/// How many users are remembered before those are forgotten of whom nothing is missing.
const REMEMBERED: usize = 64;

/// The users who have spent something, by their numbers.
#[derive(Debug)]
pub(super) struct Users {
    table: BTreeMap<u32, User>,
    /// How many arrivals are allowed at once, as the time that they take to come back.
    arrivals: Duration,
}

#[derive(Debug)]
struct User {
    arrivals: Allowance,
    work: Allowance,
}

impl Users {
    /// A table for a server with so many places.
    pub(super) fn new(places: usize) -> Self {
        let arrivals = u32::try_from(places.saturating_mul(4).saturating_add(ARRIVALS)).unwrap_or(u32::MAX);
        Self { table: BTreeMap::new(), arrivals: ARRIVAL.saturating_mul(arrivals) }
    }

    /// A client of the user arrives. If there have been too many, returns when the next one may.
    pub(super) fn arrives(&mut self, uid: u32, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.awaited_until(uid, now) {
            return Err(until);
        }
        self.user(uid, now).arrivals.spend(ARRIVAL, now);
        Ok(())
    }

    /// When the next client of the user may arrive, or `None` if it may now.
    pub(super) fn awaited_until(&self, uid: u32, now: Instant) -> Option<Instant> {
        self.table.get(&uid)?.arrivals.spent_until(self.arrivals, now)
    }

    /// A client of the user has caused idle work, in the measure of bytes that are received and dropped. If it was too much,
    /// returns until when the client is not served.
    pub(super) fn works(&mut self, uid: u32, work: usize, now: Instant) -> Option<Instant> {
        let nanos = (work as u64).saturating_mul(1_000_000_000) / WORK_EACH_SECOND;
        let user = self.user(uid, now);
        user.work.spend(Duration::from_nanos(nanos), now);
        user.work.spent_until(WORK, now)
    }

    fn user(&mut self, uid: u32, now: Instant) -> &mut User {
        if self.table.len() >= REMEMBERED && !self.table.contains_key(&uid) {
            self.table.retain(|_, user| !(user.arrivals.is_full(now) && user.work.is_full(now)));
        }
        let full = Allowance::full(now);
        self.table.entry(uid).or_insert(User { arrivals: full, work: full })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: u32 = 1000;
    const BOB: u32 = 1001;

    /// A flood of ten thousand arrivals in a second, from one user.
    #[test]
    fn f27_a_user_who_floods_is_slowed_down_and_no_other() {
        let begin = Instant::now();
        let mut users = Users::new(64);
        let (mut admitted, mut longest) = (0, Duration::ZERO);
        for n in 0..10_000 {
            let now = begin + Duration::from_micros(100) * n;
            match users.arrives(ALICE, now) {
                Ok(()) => admitted += 1,
                Err(until) => longest = longest.max(until - now),
            }
            // Somebody else comes now and then.
            if n % 1000 == 0 {
                assert_eq!(users.arrives(BOB, now), Ok(()), "{n}");
            }
        }
        // Those that may come at once, and those of a second.
        assert!((64 * 5 + 60..=64 * 5 + 66).contains(&admitted), "{admitted}");
        // The next one, honest or not, waits for that long at the most, however long the flood has been.
        assert!(longest <= ARRIVAL, "{longest:?}");
        let end = begin + Duration::from_secs(1);
        assert_eq!(users.arrives(ALICE, end + ARRIVAL), Ok(()));
    }

    #[test]
    fn f27_idle_work_beyond_a_second_s_is_made_to_wait() {
        let begin = Instant::now();
        let mut users = Users::new(64);
        for _ in 0..64 {
            assert_eq!(users.works(ALICE, 16 << 10, begin), None);
        }
        let rest = Duration::from_secs(1) / 64;
        assert_eq!(users.works(ALICE, 16 << 10, begin), Some(begin + rest));
        assert_eq!(users.works(BOB, 16 << 10, begin), None);
        assert_eq!(users.works(ALICE, 0, begin + rest), None);
    }

    #[test]
    fn users_are_forgotten_when_nothing_is_missing() {
        let begin = Instant::now();
        let mut users = Users::new(64);
        for uid in 0..1000 {
            users.arrives(uid, begin + ARRIVAL * 2 * uid).unwrap();
        }
        assert!(users.table.len() <= REMEMBERED + 1, "{}", users.table.len());
    }
}
