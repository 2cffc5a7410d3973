//! The time of a change.

use std::time::{Instant, SystemTime};

use vuart_scrollback::Scrollback;

use crate::timestamp::Timestamp;

/// The time of the present change: for people, for deadlines, and as an offset of the guest's output.
///
/// Each reading is taken when the change first asks for it, and stays the same until the next change begins. Changes follow one
/// another under the console's lock, so readings and events are in the same order.
#[derive(Debug)]
pub(crate) struct Clock {
    scrollback: Scrollback,
    at: Option<Timestamp>,
    instant: Option<Instant>,
    offset: Option<u64>,
}

impl Clock {
    pub(crate) fn new(scrollback: Scrollback) -> Self {
        Self { scrollback, at: None, instant: None, offset: None }
    }

    /// Begins a change.
    pub(crate) fn restart(&mut self) {
        (self.at, self.instant, self.offset) = (None, None, None);
    }

    /// Sets the time that people are told, for the present change.
    pub(crate) fn set_at(&mut self, at: SystemTime) {
        self.at = Some(at.into());
    }

    /// Sets the time that deadlines are compared with, for the present change.
    pub(crate) fn set_instant(&mut self, instant: Instant) {
        self.instant = Some(instant);
    }

    /// The time that people are told.
    pub(crate) fn at(&mut self) -> Timestamp {
        *self.at.get_or_insert_with(|| SystemTime::now().into())
    }

    /// The time that deadlines are compared with.
    pub(crate) fn instant(&mut self) -> Instant {
        *self.instant.get_or_insert_with(Instant::now)
    }

    /// The offset of the guest's next byte of output.
    pub(crate) fn offset(&mut self) -> u64 {
        *self.offset.get_or_insert_with(|| self.scrollback.end())
    }
}
