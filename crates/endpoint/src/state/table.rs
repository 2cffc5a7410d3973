//! The table of sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::Who;
use crate::identity::Identity;
use crate::info::{SessionId, Window};
use crate::link::{Link, Progress};
use crate::standing::Eviction;
use crate::timestamp::Timestamp;

/// A session in the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) identity: Identity,
    pub(crate) since: Timestamp,
    pub(crate) window: Option<Window>,
    /// Whether the session wants the console back after an eviction.
    pub(crate) returning: bool,
    /// Whether it owns the console only while nobody else wants to.
    pub(crate) yields: bool,
    /// Its eviction, if it has been a spectator since.
    pub(crate) evicted: Option<Eviction>,
    /// The offset at which its output begins.
    pub(crate) from: u64,
    /// Symbols of input that the console has taken from it.
    pub(crate) bytes_in: u64,
    pub(crate) link: Arc<Link>,
}

/// All sessions that go on. Iteration goes from the oldest to the newest.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<SessionId, Row>,
    next_id: u64,
}

impl Table {
    /// Adds a session and returns its number.
    pub(crate) fn add(&mut self, row: Row) -> SessionId {
        let id = SessionId::new(self.next_id);
        self.next_id += 1;
        self.rows.insert(id, row);
        id
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Row> {
        self.rows.remove(&id)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Row)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    /// The oldest session that owns the console while nobody else wants to.
    pub(crate) fn oldest_yielding(&self) -> Option<SessionId> {
        self.iter().find(|(_, row)| row.yields).map(|(id, _)| id)
    }

    /// Names a session in events.
    pub(crate) fn who(&self, id: SessionId) -> Option<Who> {
        self.get(id).map(|row| row.who(id))
    }
}

impl Row {
    /// The session's cursor in the output.
    pub(crate) fn cursor(&self) -> u64 {
        let Progress { read, missed, lost_before } = self.link.progress();
        self.from.saturating_add(read).saturating_add(missed).saturating_add(lost_before)
    }

    /// Names the session in events.
    pub(crate) fn who(&self, id: SessionId) -> Who {
        Who { session: id, identity: self.identity.clone() }
    }
}
