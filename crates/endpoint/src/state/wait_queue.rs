//! The queue of sessions that wait to own the console.

use std::collections::{BTreeMap, VecDeque};

use crate::info::SessionId;

/// The sessions that wait to own the console, the next owner first. It is empty while the console has no owner, or
/// one that yields.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue(VecDeque<SessionId>);

impl WaitQueue {
    /// Adds a session at the end.
    pub(crate) fn join(&mut self, id: SessionId) {
        self.0.push_back(id);
    }

    /// Adds a session at the head: an evicted owner that wants the console back.
    pub(crate) fn join_first(&mut self, id: SessionId) {
        self.0.push_front(id);
    }

    /// Takes the session at the head.
    pub(crate) fn next(&mut self) -> Option<SessionId> {
        self.0.pop_front()
    }

    /// Removes a session, and returns the place that it had.
    pub(crate) fn leave(&mut self, id: SessionId) -> Option<usize> {
        let place = self.place(id)?;
        self.0.remove(place);
        Some(place)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The number of sessions before this one, if it waits.
    pub(crate) fn place(&self, id: SessionId) -> Option<usize> {
        self.0.iter().position(|waiting| *waiting == id)
    }

    /// The places of all that wait. One pass, unlike a call of [`place`](Self::place) for each.
    pub(crate) fn places(&self) -> BTreeMap<SessionId, u64> {
        self.0.iter().copied().zip(0..).collect()
    }

    /// The sessions that wait from a place on.
    pub(crate) fn iter_from(&self, place: usize) -> impl Iterator<Item = SessionId> {
        self.0.iter().skip(place).copied()
    }
}
