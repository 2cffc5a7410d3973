//! What happens without anybody's doing.

use super::Model;

/// At one moment, in this order.
#[derive(Debug, Clone, Copy)]
enum Event {
    ThrEmpty,
    Shifted,
    TimeOut,
}

impl Model {
    /// Goes on to `now`, in nanoseconds; a moment that has passed is the present. A character that leaves before ends that:
    /// it is given, the time is when it left, and this is to be called again, until it gives `None`.
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

    /// When the next thing happens, if one is to.
    pub fn next_event(&self) -> Option<u64> {
        self.first_event().map(|(at, _)| at)
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.now
    }

    fn first_event(&self) -> Option<(u64, Event)> {
        let events = [
            (self.thre_at, Event::ThrEmpty),
            (self.shift.map(|shift| shift.leaves_at), Event::Shifted),
            (self.time_out_at, Event::TimeOut),
        ];
        // Of equals, the first.
        events.into_iter().filter_map(|(at, event)| Some((at?, event))).min_by_key(|&(at, _)| at)
    }
}
