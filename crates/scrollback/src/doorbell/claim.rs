//! A sleeper's bit among the others.

use alloc::sync::Arc;

use super::sleepers::Sleepers;

/// A bit of the sleepers' words, until this is dropped. One thread sleeps by it at a time.
#[derive(Debug)]
pub(super) struct Claim<E> {
    sleepers: Arc<Sleepers<E>>,
    bit: u64,
}

impl<E> Claim<E> {
    /// Takes the first free place. Returns `None` if all are taken.
    pub(super) fn enter(sleepers: &Arc<Sleepers<E>>) -> Option<Self> {
        let bit = sleepers.enter()?;
        Some(Self { sleepers: Arc::clone(sleepers), bit })
    }

    pub(super) fn bit(&self) -> u64 {
        self.bit
    }

    pub(super) fn events(&self) -> &E {
        self.sleepers.events()
    }

    pub(super) fn arm(&self) {
        self.sleepers.arm(self.bit);
    }

    pub(super) fn disarm(&self) {
        self.sleepers.disarm(self.bit);
    }

    /// S1 to S3: asks for a wake-up and looks again. Returns whether to sleep. If not, there is something to do, and it asks for no wake-up.
    pub(super) fn arm_unless(&self, ready: impl FnOnce() -> bool) -> bool {
        self.arm();
        let ready = ready();
        if ready {
            self.disarm();
        }
        !ready
    }

    /// S1 to S5 once, all but the clearing of the event: waits by `wait`, unless there is something to do after all. Returns whether there
    /// is.
    pub(super) fn sleep<Error>(
        &self,
        ready: impl FnOnce() -> bool,
        wait: impl FnOnce() -> Result<(), Error>,
    ) -> Result<bool, Error> {
        if !self.arm_unless(ready) {
            return Ok(true);
        }
        let waited = wait();
        self.disarm();
        waited.map(|()| false)
    }
}

impl<E> Drop for Claim<E> {
    fn drop(&mut self) {
        self.sleepers.leave(self.bit);
    }
}
