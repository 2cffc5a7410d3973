//! The producer's end of the input queue: it publishes, and discards when a new ownership begins.

use std::sync::Arc;

use super::InputQueue;
use crate::symbol::Symbol;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::fence;

/// The producer's end of the input queue.
#[derive(Debug)]
pub(crate) struct InputProducer {
    pub(super) queue: Arc<InputQueue>,
    /// The number of discards, each of which has used up a position.
    pub(super) discards: u64,
}

impl InputProducer {
    pub(super) fn free(&self) -> usize {
        let queue = &*self.queue;
        // Acquire, paired with the swap in `take`: the consumer has read the cells that we are about to overwrite.
        let waiting = queue.tail.load(Relaxed) - queue.head.load(Acquire);
        usize::try_from(queue.size.capacity.saturating_sub(waiting)).unwrap_or(usize::MAX)
    }

    /// Queues as many symbols as there is room for, and returns how many.
    pub(crate) fn publish(&mut self, symbols: impl ExactSizeIterator<Item = Symbol>) -> usize {
        let queue = &*self.queue;
        let offered = symbols.len();
        if offered == 0 {
            return 0;
        }
        let mut free = self.free();
        if free < offered {
            queue.crowded.store(true, Relaxed);
            // Between our flag and our second look at `head`; pairs with the fence in `take`.
            fence(SeqCst);
            free = self.free();
        }
        let taken = offered.min(free);
        if taken == 0 {
            return 0;
        }
        // Relaxed: only the producer stores to `tail`.
        let tail = queue.tail.load(Relaxed);
        for (position, symbol) in (tail..).zip(symbols.take(taken)) {
            // Relaxed: the store to `tail` publishes the cell.
            queue.cell(position).store(symbol.to_cell(), Relaxed);
        }
        queue.tail.store(tail + taken as u64, Release);
        // Between our publication and our look at `wanted`; pairs with the fence in `Input::want`.
        fence(SeqCst);
        let wanted = queue.wanted.load(Relaxed) && queue.wanted.swap(false, AcqRel);
        (queue.bells.changed)();
        if wanted {
            (queue.bells.announce)();
        }
        taken
    }

    /// Discards all symbols that wait, and returns how many.
    pub(crate) fn discard(&mut self) -> u64 {
        let queue = &*self.queue;
        let tail = queue.tail.load(Relaxed);
        let next = tail + 1;
        // AcqRel as in `take`: what we publish next may overwrite the cells. The consumer never goes beyond `tail`.
        let head = queue.head.fetch_max(next, AcqRel);
        // After `head`, or the consumer could take the position that holds no symbol. Release: a consumer that sees the new
        // `tail` sees the new `head`.
        queue.tail.store(next, Release);
        self.discards += 1;
        tail.saturating_sub(head)
    }

    /// The number of symbols that were to be put back when a discard had come between, so that they are discarded too: since
    /// the last [`take_discarded_late`](Self::take_discarded_late).
    pub(crate) fn discarded_late(&self) -> u64 {
        // Relaxed, here and below: a counter orders nothing.
        self.queue.discarded_late.load(Relaxed)
    }

    /// Takes the number of [late discards](Self::discarded_late).
    pub(crate) fn take_discarded_late(&mut self) -> u64 {
        self.queue.discarded_late.swap(0, Relaxed)
    }

    /// The number of symbols that wait. While it is not 0, the bell `room` rings when the consumer takes more.
    pub(crate) fn left(&mut self) -> u64 {
        self.queue.crowded.store(true, Relaxed);
        // Between our flag and our look at `head`; pairs with the fence in `take`.
        fence(SeqCst);
        self.len()
    }

    /// The number of symbols that wait.
    pub(crate) fn len(&self) -> u64 {
        // `head` first: it never overtakes a `tail` that is read later.
        let head = self.queue.head.load(Acquire);
        self.queue.tail.load(Acquire) - head
    }

    /// The number of symbols that have left the queue, taken or discarded. It falls when some are put back.
    pub(crate) fn gone(&self) -> u64 {
        self.queue.head.load(Relaxed) - self.discards
    }
}
