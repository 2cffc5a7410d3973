//! What sessions type and read.

use super::State;
use crate::attach::OnLag;
use crate::end::Cause;
use crate::event::EventKind;
use crate::info::{SessionId, Window};
use crate::standing::Epoch;
use crate::symbol::Symbol;

impl State {
    /// Queues input of an ownership. Returns how many symbols were taken: none if the console has another ownership by now.
    pub(crate) fn publish(
        &mut self,
        id: SessionId,
        epoch: Option<Epoch>,
        symbols: impl ExactSizeIterator<Item = Symbol>,
    ) -> usize {
        if !self.ownership.is(id, epoch) {
            return 0;
        }
        if symbols.len() > 0 && self.ownership.becomes_person() {
            // Before its input: it is not for the login session of the person before it.
            self.person_came(id);
        }
        let offered = symbols.len();
        let taken = self.input.publish(symbols);
        self.counters.input_refused += (offered - taken) as u64;
        if taken > 0 {
            self.counters.input_accepted += taken as u64;
            // Also while no policy asks for it, because the policy may change. Not for input that is only offered again.
            self.ownership.typed(self.clock.instant());
            if let Some(row) = self.table.get_mut(id) {
                row.bytes_in += taken as u64;
            }
        }
        taken
    }

    /// Queues a break of an ownership, as [`publish`](Self::publish). Returns whether it was taken.
    pub(crate) fn send_break(&mut self, id: SessionId, epoch: Option<Epoch>) -> bool {
        let taken = self.publish(id, epoch, [Symbol::Break].into_iter()) == 1;
        if taken && let Some(who) = self.table.who(id) {
            self.counters.breaks += 1;
            self.event(EventKind::Break { who });
        }
        taken
    }

    /// The symbols of this ownership that wait. While there are some, the doorbell rings when the guest takes more.
    pub(crate) fn input_left(&mut self, id: SessionId, epoch: Option<Epoch>) -> u64 {
        if self.ownership.is(id, epoch) { self.input.left() } else { 0 }
    }

    /// Counts input that was dropped before the console took it.
    pub(crate) fn abandon(&mut self, bytes: u64) {
        self.counters.input_abandoned += bytes;
        self.event(EventKind::InputAbandoned { bytes });
    }

    /// Notes that the ring has lapped a session, which has missed the output from one offset to another.
    pub(crate) fn lagged(&mut self, id: SessionId, on_lag: OnLag, from: u64, to: u64) {
        let Some(who) = self.table.who(id) else { return };
        self.counters.lags += 1;
        self.counters.lagged_bytes += to - from;
        if on_lag != OnLag::Ignore {
            self.event(EventKind::Lagged { who, from, to });
        }
        if on_lag == OnLag::Disconnect {
            self.end(id, Cause::Lagged { from, to });
        }
    }

    pub(crate) fn resized(&mut self, id: SessionId, window: Window) {
        if let Some(row) = self.table.get_mut(id)
            && row.window.replace(window) != Some(window)
        {
            let who = row.who(id);
            self.event(EventKind::Resized { who, window });
        }
    }
}
