//! The passing of time.

use super::Model;

/// What happens as time passes. Events of the same moment happen in this order.
#[derive(Debug, Clone, Copy)]
enum Event {
    ThrEmpty,
    Shifted,
    TimeOut,
}

impl Model {
    /// Advances time to `now`, in nanoseconds, or to the moment at which a character leaves. A `now` in the past counts as the
    /// present.
    ///
    /// If a character leaves, returns it. The time is then the moment at which it left, and the caller must call again until
    /// this returns `None`.
    pub fn advance(&mut self, now: u64) -> Option<u8> {
        let until = now.max(self.now);
        while let Some((at, event)) = self.first_event()
            && at <= until
        {
            self.now = at;
            match event {
                Event::ThrEmpty => self.empty(),
                Event::Shifted => {
                    if let Some(data) = self.shifted() {
                        return Some(data);
                    }
                }
                Event::TimeOut => {
                    self.time_out_at = None;
                    self.timed_out = true;
                }
            }
        }
        self.now = until;
        None
    }

    /// Returns the time of the next event, if there is one.
    pub fn next_event(&self) -> Option<u64> {
        self.first_event().map(|(at, _)| at)
    }

    /// Returns the present time in nanoseconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    fn first_event(&self) -> Option<(u64, Event)> {
        let events = [
            (self.thre_at, Event::ThrEmpty),
            (self.shift.map(|shift| shift.leaves_at), Event::Shifted),
            (self.time_out_at, Event::TimeOut),
        ];
        // Of equal times, `min_by_key` takes the first.
        events.into_iter().filter_map(|(at, event)| Some((at?, event))).min_by_key(|&(at, _)| at)
    }
}
