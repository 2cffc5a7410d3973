//! What others see of the state.

use super::State;
use super::table::Row;
use crate::counters::Counters;
use crate::end::End;
use crate::hold::HoldCounts;
use crate::info::{SessionId, SessionInfo};
use crate::standing::{Change, Standing};
use crate::timestamp::Timestamp;

impl State {
    pub(crate) fn owner(&self) -> Option<SessionInfo> {
        let id = self.ownership.owner()?;
        self.table.get(id).map(|row| self.info(id, row, None))
    }

    /// All sessions, the oldest first.
    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        let places = self.queue.places();
        self.table.iter().map(|(id, row)| self.info(id, row, places.get(&id).copied())).collect()
    }

    fn info(&self, id: SessionId, row: &Row, ahead: Option<u64>) -> SessionInfo {
        SessionInfo {
            id,
            identity: row.identity.clone(),
            owner: self.ownership.owner() == Some(id),
            yields: row.yields,
            waiting: ahead.is_some(),
            ahead,
            since: row.since,
            window: row.window,
        }
    }

    /// The standing of a session, and its eviction if it has been a spectator since.
    pub(crate) fn change_of(&self, id: SessionId) -> Option<Change> {
        let row = self.table.get(id)?;
        let standing = match (self.ownership.epoch_of(id), self.queue.place(id)) {
            (Some(epoch), _) => Standing::Owner { epoch },
            (None, Some(place)) => Standing::Waiting { ahead: place as u64 },
            (None, None) => Standing::Spectator,
        };
        Some(Change { standing, evicted: row.evicted.clone() })
    }

    pub(crate) fn disabled(&self) -> Option<Timestamp> {
        self.disabled
    }

    pub(crate) fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// The counters, apart from [`bytes_out`](Counters::bytes_out).
    pub(crate) fn counters(&self) -> Counters {
        let HoldCounts { holds, missed, unheeded } = self.hold.counts();
        Counters {
            output_holds: holds,
            output_holds_missed: missed,
            output_unheeded: unheeded,
            input_discarded: self.input_discarded(),
            input_stops: self.carrier.input_stops(),
            events_lost: self.events.lost(),
            ..self.counters
        }
    }

    /// Whether the guest's output waits for the owner.
    pub(crate) fn output_held(&self) -> bool {
        self.hold.is_held()
    }

    /// The symbols of input that wait.
    pub(crate) fn input_waiting(&self) -> u64 {
        self.input.len()
    }

    /// The symbols of input that the guest's receiver has taken.
    pub(crate) fn input_taken(&self) -> u64 {
        // Symbols are counted as late when they have gone already, but another thread may count some between our two looks.
        self.input.gone().saturating_sub(self.input_discarded())
    }

    fn input_discarded(&self) -> u64 {
        self.counters.input_discarded + self.input.discarded_late()
    }
}
