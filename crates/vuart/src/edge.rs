//! Edges of the interrupt line: when the port calls its trigger.
//!
//! The UART drives a level: high while an enabled interrupt is pending (R4). A [`Trigger`] is an edge: one call, one interrupt. So the
//! port looks at the level after each access and calls the trigger when the level has risen. Three things make this more than one
//! comparison:
//!
//! * **A line can fall and rise within one access.** A write to THR fills the register, which clears the THRE interrupt, and in a
//!   virtual machine the character leaves at once, which raises it again. A read of RBR empties the receiver, and the next waiting
//!   character fills it. [`saw`](Edge::saw) notes a fall in the middle of an access, so that the rise that follows counts.
//! * **Not each rise by THR is wanted.** A driver fills the FIFO with 16 writes, and 16 interrupts would only cost it time. But a driver
//!   that serves the THRE interrupt with one write waits for the next one. The two differ in what they do first: every interrupt
//!   handler that we know of reads IIR or LSR before it writes. So a THR write counts as a rise only if the guest has looked at one of
//!   them since the last edge ([`looks`](Edge::looks), [`sends`](Edge::sends)). A driver that answers the THRE interrupt by a THR
//!   write, without a look at either register, gets no second edge.
//! * **A rise may be announced already.** Input and hang-ups come from other threads. A thread that finds the guest waiting calls the
//!   trigger itself, before the port has moved the character into the receiver. When the port does so, the line rises for a reason that
//!   the guest has been told of, and a second edge would be a spurious interrupt
//!   ([`announced_elsewhere`](Edge::announced_elsewhere)).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use vm_superio::Trigger;

use crate::metrics::Counts;

/// The interrupt line on its way to the guest: the VMM's trigger, and where its calls are counted.
///
/// The vCPU's thread and the threads that type or hang up share it.
#[derive(Debug)]
pub(crate) struct InterruptLine<T> {
    trigger: T,
    counts: Arc<Counts>,
}

impl<T> InterruptLine<T> {
    pub(crate) fn new(trigger: T, counts: Arc<Counts>) -> Self {
        Self { trigger, counts }
    }

    pub(crate) fn trigger(&self) -> &T {
        &self.trigger
    }
}

impl<T: Trigger> InterruptLine<T> {
    /// Interrupts the guest.
    #[inline(never)]
    pub(crate) fn raise(&self) {
        // Relaxed, here and below: counts order nothing.
        self.counts.interrupts.fetch_add(1, Relaxed);
        if self.trigger.trigger().is_err() {
            // The guest's access must succeed all the same (S6). Not logged: a logger may block, and this may be a vCPU's thread.
            self.counts.interrupts_failed.fetch_add(1, Relaxed);
        }
    }
}

/// What the guest has been told of the interrupt line, and whether it has looked since. See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Edge {
    /// The line is high, and an edge has announced that.
    announced: bool,
    /// The guest has read IIR or LSR since the last edge.
    looked: bool,
}

impl Edge {
    /// The guest reads IIR or LSR.
    #[inline]
    pub(crate) fn looks(&mut self) {
        self.looked = true;
    }

    /// The line's level in the middle of an access. A low one is a fall: what makes the line high later in the access is a rise.
    #[inline]
    pub(crate) fn saw(&mut self, level: bool) {
        self.announced &= level;
    }

    /// A THR write has made the line fall and rise. It counts if the guest has looked.
    #[inline]
    pub(crate) fn sends(&mut self) {
        self.announced &= !self.looked;
    }

    /// Another thread announces the reason for what has just happened to the line, now or soon: it was at `before` and is at `after`.
    #[inline]
    pub(crate) fn announced_elsewhere(&mut self, before: bool, after: bool) {
        if after && !before {
            *self = Self { announced: true, looked: false };
        }
    }

    /// The line's level at the end of an access or of a host's action. Returns whether it has risen, so that the guest is to be
    /// interrupted.
    #[inline]
    #[must_use = "the guest is to be interrupted"]
    pub(crate) fn settle(&mut self, level: bool) -> bool {
        let rises = level && !self.announced;
        self.looked &= !rises;
        self.announced = level;
        rises
    }

    /// Whether the guest has read IIR or LSR since the last edge.
    #[inline]
    pub(crate) fn has_looked(self) -> bool {
        self.looked
    }

    /// Whether [`sends`](Self::sends) would be a rise of the line that is high now.
    #[inline]
    pub(crate) fn awaits_send(self) -> bool {
        self.announced && self.looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Looks,
        Saw(bool),
        Sends,
        AnnouncedElsewhere(bool, bool),
        Settle(bool),
    }

    use Event::{AnnouncedElsewhere, Looks, Saw, Sends, Settle};

    const EVENTS: [Event; 10] = [
        Looks,
        Saw(false),
        Saw(true),
        Sends,
        AnnouncedElsewhere(false, false),
        AnnouncedElsewhere(false, true),
        AnnouncedElsewhere(true, false),
        AnnouncedElsewhere(true, true),
        Settle(false),
        Settle(true),
    ];

    /// The longest sequence that is tried. All that went before is two bits, so longer ones have nothing new.
    const LONGEST: usize = 6;

    /// The same, by looking back at what has happened: no state, and so no state that can be wrong.
    struct History<'a>(&'a [Event]);

    impl History<'_> {
        /// The last event interrupts the guest.
        fn raises(&self) -> bool {
            matches!(self.0, [before @ .., Settle(true)] if !History(before).is_announced())
        }

        /// The guest knows that the line is high.
        fn is_announced(&self) -> bool {
            let Some((last, before)) = self.0.split_last() else { return false };
            let before = History(before);
            match last {
                Settle(level) => *level,
                AnnouncedElsewhere(false, true) => true,
                Saw(false) => false,
                Sends => before.is_announced() && !before.has_looked(),
                Looks | Saw(true) | AnnouncedElsewhere(..) => before.is_announced(),
            }
        }

        /// The last look is after the last edge.
        fn has_looked(&self) -> bool {
            let looked = self.0.iter().rposition(|event| matches!(event, Looks));
            let edge = (0..self.0.len()).rev().find(|index| {
                matches!(self.0[*index], AnnouncedElsewhere(false, true))
                    || History(&self.0[..=*index]).raises()
            });
            looked.is_some() && looked > edge
        }
    }

    /// Returns whether the guest is to be interrupted.
    fn apply(edge: &mut Edge, event: Event) -> bool {
        match event {
            Looks => edge.looks(),
            Saw(level) => edge.saw(level),
            Sends => edge.sends(),
            AnnouncedElsewhere(before, after) => edge.announced_elsewhere(before, after),
            Settle(level) => return edge.settle(level),
        }
        false
    }

    /// Goes on from `edge`, which is what `events` have led to.
    fn go_on(edge: Edge, events: &mut Vec<Event>) {
        let history = History(events);
        assert_eq!(edge.has_looked(), history.has_looked(), "{events:?}");
        assert_eq!(edge.awaits_send(), history.is_announced() && history.has_looked(), "{events:?}");
        if events.len() == LONGEST {
            return;
        }
        for event in EVENTS {
            let mut edge = edge;
            events.push(event);
            assert_eq!(apply(&mut edge, event), History(events).raises(), "{events:?}");
            go_on(edge, events);
            events.pop();
        }
    }

    #[test]
    fn r4_all_short_sequences_have_the_edges_of_their_history() {
        go_on(Edge::default(), &mut Vec::new());
    }

    fn edges(events: &[Event]) -> usize {
        let mut edge = Edge::default();
        events.iter().filter(|event| apply(&mut edge, **event)).count()
    }

    #[test]
    fn a_fifo_full_of_writes_is_one_edge_and_a_handler_gets_the_next() {
        let write = [Sends, Settle(true)];
        let fifo = write.repeat(16);
        assert_eq!(edges(&[&[Settle(true)], fifo.as_slice()].concat()), 1, "no look, no edge");
        assert_eq!(edges(&[&[Settle(true), Looks], fifo.as_slice()].concat()), 2, "one for sixteen");
    }

    #[test]
    fn a_line_that_stays_high_is_one_edge() {
        assert_eq!(edges(&[Settle(true), Settle(true), Looks, Settle(true)]), 1);
        assert_eq!(edges(&[Settle(true), Settle(false), Settle(true)]), 2);
        assert_eq!(edges(&[Settle(true), Saw(false), Settle(true)]), 2, "a fall within an access");
    }

    #[test]
    fn what_another_thread_announces_is_not_raised_again() {
        assert_eq!(edges(&[AnnouncedElsewhere(false, true), Settle(true)]), 0);
        assert_eq!(edges(&[AnnouncedElsewhere(true, true), Settle(true)]), 1, "it was no rise");
    }
}
