//! A sleeper's place among the others, and its loop.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{claim::Claim, event::Event, sleepers::Sleepers, slots::Slots};

/// A place among the sleepers. Only one thread sleeps in it: hence `&mut`.
#[derive(Debug)]
pub(crate) struct Place<E> {
    claim: Claim<Slots<E>>,
    event: Arc<E>,
}

impl<E: Event> Place<E> {
    /// Takes the first free place. Returns `None` if all are taken.
    pub(crate) fn enter<Error>(
        sleepers: &Arc<Sleepers<Slots<E>>>,
        make: impl FnOnce() -> Result<E, Error>,
    ) -> Result<Option<Self>, Error> {
        // First, so that an error leaves the place.
        let Some(claim) = Claim::enter(sleepers) else { return Ok(None) };
        let Some(event) = claim.events().event(claim.bit(), make)? else { return Ok(None) };
        // A ring for the place's last sleeper may be left.
        event.clear();
        Ok(Some(Self { claim, event }))
    }

    pub(crate) fn event(&self) -> &E {
        &self.event
    }

    pub(crate) fn arm(&mut self) {
        self.claim.arm();
    }

    pub(crate) fn acknowledge(&mut self) -> bool {
        self.claim.disarm();
        self.event.clear()
    }

    /// Asks for a wake-up and looks again: S1 to S3. Returns whether to sleep. If not, there is data, and it asks for no wake-up. A ring
    /// that has come is still there.
    pub(crate) fn arm_unless(&mut self, ready: impl FnOnce() -> bool) -> bool {
        self.claim.arm_unless(ready)
    }

    /// Sleeps until `ready` or until the time is up. Returns whether it is ready.
    pub(crate) fn wait(
        &mut self,
        mut ready: impl FnMut() -> bool,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        let deadline = Deadline::after(timeout);
        loop {
            if ready() {
                return Ok(true);
            }
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            let slept = self.claim.sleep(&mut ready, || self.event.wait(left));
            self.event.clear();
            if slept? {
                return Ok(true);
            }
        }
    }

    /// The same without arming: only an unconditional ring ends the sleep before its time.
    pub(crate) fn pause(&mut self, mut ready: impl FnMut() -> bool, timeout: Duration) -> io::Result<bool> {
        let deadline = Deadline::after(Some(timeout));
        loop {
            // Before the look: a ring that comes after it ends the sleep.
            self.event.clear();
            if ready() {
                return Ok(true);
            }
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            self.event.wait(left)?;
        }
    }
}

/// The moment at which a wait is over. `None` if it is so far away that the clock has no number for it.
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn left(&self) -> Option<Duration> {
        self.0.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
