//! Observers of a console, and the events that they have not been told of yet.

use std::collections::VecDeque;
use std::fmt;

use crate::event::{ConsoleEvent, EventKind};
use crate::timestamp::Timestamp;

/// A callback of the embedder.
pub(crate) type Observer = Box<dyn FnMut(&ConsoleEvent) + Send>;

/// The observers. They are called one at a time, and never under the console's lock.
#[derive(Default)]
pub(crate) struct Observers(Vec<Entry>);

struct Entry {
    observer: Observer,
    /// The number of the first event that the observer is told of.
    since: u64,
}

impl Observers {
    /// Adds the observers that have `arrived`, and tells all of them of an event.
    pub(crate) fn tell(&mut self, arrived: Observers, event: &ConsoleEvent) {
        self.0.extend(arrived.0);
        for entry in &mut self.0 {
            if event.number >= entry.since {
                (entry.observer)(event);
            }
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}

/// The events that wait for observers.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: VecDeque<ConsoleEvent>,
    next_number: u64,
    /// Whether there is an observer. Without one, no event is kept.
    observed: bool,
    /// The observers that were added since an event was last taken.
    arrived: Observers,
    lost: u64,
}

impl Events {
    /// The most events that wait while an observer does not return.
    const CAPACITY: usize = 1024;

    pub(crate) fn add(&mut self, at: Timestamp, offset: u64, kind: EventKind) {
        let number = self.next_number;
        self.next_number += 1;
        if !self.observed {
            return;
        }
        if self.waiting.len() == Self::CAPACITY {
            self.lost += 1;
        } else {
            self.waiting.push_back(ConsoleEvent::new(number, at, offset, kind));
        }
    }

    /// Adds an observer, which is told of what happens from now on.
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.observed = true;
        self.arrived.0.push(Entry { observer, since: self.next_number });
    }

    /// Takes the next event, and the observers that were added since the last one was taken.
    pub(crate) fn take(&mut self) -> Option<(ConsoleEvent, Observers)> {
        let event = self.waiting.pop_front()?;
        Some((event, std::mem::take(&mut self.arrived)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The number of events that no observer was told of.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}
