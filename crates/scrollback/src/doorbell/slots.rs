//! An event for each sleeper's place.

use std::sync::{Arc, OnceLock};

use super::event::Event;
use super::sleepers::{Events, PLACES};

/// The events that the sleepers of a doorbell sleep on.
///
/// Each is made when its place is first taken, and kept for the next sleeper that takes it. A producer may still hold the bit of a sleeper
/// that has gone, and sets that event then.
#[derive(Debug)]
pub(crate) struct Slots<E>([OnceLock<Arc<E>>; PLACES]);

impl<E> Slots<E> {
    pub(crate) fn new() -> Self {
        Self([const { OnceLock::new() }; PLACES])
    }

    /// The event of a place that the caller has taken: made by `make`, if no sleeper had the place before.
    pub(super) fn event<Error>(
        &self,
        bit: u64,
        make: impl FnOnce() -> Result<E, Error>,
    ) -> Result<Option<Arc<E>>, Error> {
        let Some(cell) = self.0.get(bit.trailing_zeros() as usize) else { return Ok(None) };
        if let Some(event) = cell.get() {
            return Ok(Some(Arc::clone(event)));
        }
        let event = Arc::new(make()?);
        Ok(Some(Arc::clone(cell.get_or_init(|| event))))
    }
}

impl<E: Event> Events for Slots<E> {
    fn set(&self, mut sleepers: u64) {
        while sleepers != 0 {
            let place = sleepers.trailing_zeros() as usize;
            sleepers &= sleepers - 1;
            if let Some(event) = self.0.get(place).and_then(OnceLock::get) {
                event.set();
            }
        }
    }
}
