//! One sleeper's place among the others, and its loop.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{event::Event, sleepers::Sleepers};

/// A bit, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim<E> {
    pub(super) sleepers: Arc<Sleepers<E>>,
    pub(super) bit: u64,
}

impl<E> Drop for Claim<E> {
    fn drop(&mut self) {
        self.sleepers.leave(self.bit);
    }
}

/// Who sleeps in it does so alone: hence `&mut`.
#[derive(Debug)]
pub(crate) struct Place<E> {
    pub(super) claim: Claim<E>,
    pub(super) event: Arc<E>,
}

impl<E> Place<E> {
    pub(crate) fn event(&self) -> &E {
        &self.event
    }

    pub(crate) fn arm(&mut self) {
        self.claim.sleepers.arm(self.claim.bit);
    }
}

impl<E: Event> Place<E> {
    pub(crate) fn acknowledge(&mut self) -> bool {
        self.claim.sleepers.disarm(self.claim.bit);
        self.event.clear()
    }

    pub(crate) fn wait(
        &mut self,
        mut ready: impl FnMut() -> bool,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        // A moment beyond all time is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if ready() {
                return Ok(true);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            self.arm();
            let ready = ready();
            let waited = if ready { Ok(()) } else { self.event.wait(left) };
            self.acknowledge();
            waited?;
            if ready {
                return Ok(true);
            }
        }
    }
}
