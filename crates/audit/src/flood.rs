//! A limit for events that can be caused without any right at the console.

use vuart_endpoint::Timestamp;

/// A number of events at once, and more as time passes.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    /// The moment of the last addition.
    at: Option<Timestamp>,
}

impl Budget {
    /// The number of events at once.
    const BURST: u64 = 32;

    /// The time after which one more is added, in milliseconds.
    const EVERY: u64 = 1000;

    pub(crate) fn new() -> Self {
        Self { left: Self::BURST, at: None }
    }

    /// Takes one at this moment. Returns whether there was one left.
    pub(crate) fn take(&mut self, at: Timestamp) -> bool {
        let before = self.at.get_or_insert(at);
        let more = at.as_millis().saturating_sub(before.as_millis()) / Self::EVERY;
        // The clock may have been set back.
        if more > 0 || at < *before {
            *before = at;
        }
        self.left = self.left.saturating_add(more).min(Self::BURST);
        let taken = self.left > 0;
        self.left -= u64::from(taken);
        taken
    }
}
