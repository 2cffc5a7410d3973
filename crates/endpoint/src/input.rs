//! The input queue: a bounded queue from the console's owner to the guest's receiver, without a lock between them.
//!
//! There is one producer, [`InputProducer`], which the console uses under its own lock. No vCPU thread ever takes that lock.
//! There is one consumer, [`Input`], which belongs to the port. Positions are absolute 64-bit counts of symbols: `head` counts
//! those that have left the queue, `tail` those that have entered it. So `tail - head` symbols wait, and no position is used
//! twice.
//!
//! # Who moves `head`
//!
//! Two sides move `head`. The consumer moves it past the symbols that it takes. The producer moves it to `tail` when a new
//! ownership begins, which discards what the old owner had queued. The consumer uses a compare-and-swap and the producer an
//! atomic maximum. So each symbol is either taken or discarded, exactly once, and the counts are exact. If the producer
//! discards symbols while the consumer reads them, the consumer's swap fails, and it throws away what it has read. The swap
//! can't be fooled (no ABA), because positions only grow. So once a new ownership has begun, no input of the old one reaches
//! the guest.
//!
//! # Why no wake-up is lost
//!
//! *Announce*. A guest that waits for input has halted its vCPU, and the producer must interrupt it. When the receiver is
//! empty and its interrupt is enabled, the consumer sets `wanted` and then looks at the queue again. The producer publishes
//! and then looks at `wanted`. On both sides a sequentially consistent fence stands between the two steps. So at least one
//! side sees what the other did (Dekker), and no announcement is lost. The side that clears `wanted` must interrupt the
//! guest, so there is one interrupt for each time that `wanted` was set.
//!
//! A guest that polls does not ask again while the count of [changes](Input::changes) stays the same. The producer that clears
//! `wanted` counts a change before it announces, even if the consumer took the announced symbols long ago. So a guest that was
//! interrupted asks again.
//!
//! *Room*. This is the same protocol with the roles exchanged: the producer sets `crowded` when its symbols do not all fit.
//!
//! `input/model.rs` explores both protocols, and the race between taking and discarding, under `loom`. A model fails if any
//! of the four fences, either second look, the order of the store to `tail`, or the compare-and-swap is removed. One thing loom
//! cannot try is a load that is satisfied after a later store of its own thread. The release of `head` and its acquisition by
//! the producer exclude that; this rests on the argument beside them alone.

use std::fmt;
use std::sync::Arc;

use crate::bell::Bell;
use crate::changes::Changes;
use crate::symbol::Symbol;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::{AtomicBool, AtomicU16, AtomicU64, fence};

/// The bells that the two ends of the queue ring.
pub(crate) struct InputBells {
    /// Rings after each publication, before `announce`.
    pub(crate) changed: Bell,
    /// Rings when input arrives that the consumer [wants](Input::want) to be told of.
    pub(crate) announce: Bell,
    /// Rings when there is room again after a [`publish`](InputProducer::publish) that could not take everything.
    pub(crate) room: Bell,
    /// Rings when the consumer is dropped.
    pub(crate) dropped: Bell,
}

struct InputQueue {
    cells: Box<[AtomicU16]>,
    /// The number of cells, less one: a mask, because that number is a power of two.
    mask: u64,
    head: AtomicU64,
    tail: AtomicU64,
    wanted: AtomicBool,
    crowded: AtomicBool,
    /// The consumer was dropped: nothing takes input any more.
    dropped: AtomicBool,
    bells: InputBells,
}

impl InputQueue {
    #[allow(clippy::cast_possible_truncation, reason = "see below")]
    fn cell(&self, position: u64) -> &AtomicU16 {
        // Truncation drops no bit: the mask has been a usize.
        &self.cells[(position & self.mask) as usize]
    }
}

impl fmt::Debug for InputQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputQueue")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

/// Makes a queue of `capacity` symbols and returns its two ends. `changes` is the count that [`Input::changes`] reads.
///
/// # Panics
///
/// If `capacity` is not a power of two.
pub(crate) fn queue(capacity: usize, changes: Changes, bells: InputBells) -> (InputProducer, Input) {
    assert!(capacity.is_power_of_two(), "the capacity of an input queue is a power of two");
    let queue = Arc::new(InputQueue {
        cells: (0..capacity).map(|_| AtomicU16::new(0)).collect(),
        mask: capacity as u64 - 1,
        head: AtomicU64::new(0),
        tail: AtomicU64::new(0),
        wanted: AtomicBool::new(false),
        crowded: AtomicBool::new(false),
        dropped: AtomicBool::new(false),
        bells,
    });
    (InputProducer(Arc::clone(&queue)), Input { queue, asked: false, changes })
}

/// The producer's end of the input queue.
#[derive(Debug)]
pub(crate) struct InputProducer(Arc<InputQueue>);

impl InputProducer {
    fn free(&self) -> usize {
        let queue = &*self.0;
        // Acquire, paired with the swap in `take`: the consumer has read the cells that we are about to overwrite.
        let waiting = queue.tail.load(Relaxed) - queue.head.load(Acquire);
        usize::try_from(waiting).map_or(0, |waiting| queue.cells.len().saturating_sub(waiting))
    }

    /// Queues as many symbols as there is room for, and returns how many.
    pub(crate) fn publish(&mut self, symbols: impl ExactSizeIterator<Item = Symbol>) -> usize {
        let queue = &*self.0;
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
        let queue = &*self.0;
        let tail = queue.tail.load(Relaxed);
        // AcqRel as in `take`: what we publish next may overwrite the cells. The consumer never goes beyond `tail`.
        tail.saturating_sub(queue.head.fetch_max(tail, AcqRel))
    }

    /// The number of symbols that wait. While it is not 0, the bell `room` rings when the consumer takes more.
    pub(crate) fn left(&mut self) -> u64 {
        self.0.crowded.store(true, Relaxed);
        // Between our flag and our look at `head`; pairs with the fence in `take`.
        fence(SeqCst);
        self.len()
    }

    /// The number of symbols that wait.
    pub(crate) fn len(&self) -> u64 {
        // `head` first: it never overtakes a `tail` that is read later.
        let head = self.0.head.load(Acquire);
        self.0.tail.load(Acquire) - head
    }

    /// A look at the queue for any thread.
    pub(crate) fn watch(&self) -> InputWatch {
        InputWatch(Arc::clone(&self.0))
    }

    /// The number of symbols that have left the queue, taken or discarded.
    pub(crate) fn gone(&self) -> u64 {
        self.0.head.load(Relaxed)
    }
}

/// A look at the input queue for any thread. It costs a load or two, and takes no lock. [`Input::watch`] makes it.
#[derive(Debug, Clone)]
pub struct InputWatch(Arc<InputQueue>);

impl InputWatch {
    /// Whether no symbol waits at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Acquire: `head` first, which never overtakes a `tail` that is read later. What was published before is seen.
        let head = self.0.head.load(Acquire);
        head == self.0.tail.load(Acquire)
    }

    /// Whether the guest's end was dropped.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the store in `Drop for Input`, so what the guest's port did before is seen.
        self.0.dropped.load(Acquire)
    }
}

/// The guest's end of the input queue: a UART's receiver takes its characters here.
///
/// It stands for the guest's port: when it is dropped, nothing takes input any more, and the console ends with
/// [`Cause::PortDropped`](crate::Cause::PortDropped) unless it has [ended](crate::Console::end) before.
///
/// No method blocks. All are wait-free, except that [`take`](Self::take) and [`waiting`](Self::waiting) try again when a
/// take-over discards what they are reading.
#[derive(Debug)]
pub struct Input {
    queue: Arc<InputQueue>,
    /// Whether we have set `wanted` and not cleared it.
    asked: bool,
    changes: Changes,
}

impl Input {
    /// The most symbols that wait, behind the receiver's FIFO. A longer paste is held back in the client.
    pub const CAPACITY: usize = 4096;

    /// Whether no symbol waits at this moment.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Acquire: a caller that sees the new `tail` and goes on to `take` sees the cells.
        self.queue.head.load(Relaxed) == self.queue.tail.load(Acquire)
    }

    /// A look at the queue for any other thread.
    pub fn watch(&self) -> InputWatch {
        InputWatch(Arc::clone(&self.queue))
    }

    /// Whether an announcement of the next input is [asked for](Self::want), or made and not [noticed](Self::announced).
    #[inline]
    pub fn has_asked(&self) -> bool {
        self.asked
    }

    /// The number of host actions that the port must look at: input arrived, an [announcement](Self::want) was made, or a
    /// [drop of the carrier](crate::GuestLines::take) became due. Costs one load.
    ///
    /// A port reads the count *before* it looks at all of these. It need not look again while the count stays the same,
    /// because the host counts before it interrupts the guest.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.count()
    }

    /// Takes as many symbols as wait and fit into `out`, in order, and returns how many.
    pub fn take(&mut self, out: &mut [Symbol]) -> usize {
        let queue = &*self.queue;
        // Acquire, here and when we lose the race below: a discard may have moved `head` to a `tail` that we have not seen
        // yet, and a `tail` older than `head` would make no sense.
        let mut head = queue.head.load(Acquire);
        let count = loop {
            let waiting = queue.tail.load(Acquire) - head;
            let count = usize::try_from(waiting).unwrap_or(usize::MAX).min(out.len());
            if count == 0 {
                return 0;
            }
            for (position, slot) in (head..).zip(&mut out[..count]) {
                *slot = Symbol::from_cell(queue.cell(position).load(Relaxed));
            }
            // Release: our reads of the cells come before any write into the room that we make. A failure means that a
            // take-over has discarded what we read; look again.
            match queue.head.compare_exchange(head, head + count as u64, AcqRel, Acquire) {
                Ok(_) => break count,
                Err(now) => head = now,
            }
        };
        // Between the room we made and our look at `crowded`; pairs with the fence in `publish`.
        fence(SeqCst);
        if queue.crowded.load(Relaxed) && queue.crowded.swap(false, AcqRel) {
            (queue.bells.room)();
        }
        count
    }

    /// Copies the symbols that wait, in order, and leaves them in the queue. For a snapshot: it allocates.
    pub fn waiting(&self) -> Vec<Symbol> {
        let queue = &*self.queue;
        // As in `take`, with a swap that moves nothing. It succeeds only if nothing that we read was discarded, and so perhaps
        // overwritten. It is a release, so it comes before any later overwriting.
        let mut head = queue.head.load(Acquire);
        loop {
            let tail = queue.tail.load(Acquire);
            let symbols =
                (head..tail).map(|position| Symbol::from_cell(queue.cell(position).load(Relaxed))).collect();
            match queue.head.compare_exchange(head, head, AcqRel, Acquire) {
                Ok(_) => return symbols,
                Err(now) => head = now,
            }
        }
    }

    /// Asks for an announcement of the next input. Use it when the receiver is empty and its interrupt is enabled.
    ///
    /// Returns `false` if input has arrived in the meantime: [take](Self::take) it, and do not wait for the announcement.
    #[must_use]
    pub fn want(&mut self) -> bool {
        if self.asked && self.queue.wanted.load(Relaxed) {
            // We have asked already, and looked after that: a later producer will announce.
            return self.is_empty();
        }
        self.asked = true;
        // A store would do. But loom 0.7.3 lets the producer's swap read past another thread's plain store, to a value that
        // the producer has seen overwritten. loom keeps the order of swaps, so the model holds with a swap.
        self.queue.wanted.swap(true, Relaxed);
        // Between our request and our second look at the queue; pairs with the fence in `publish`.
        fence(SeqCst);
        self.is_empty()
    }

    /// Withdraws the request for an announcement: the receiver goes on without it.
    ///
    /// Returns `true` if an announcement has been or will be made all the same, because the producer had already cleared the
    /// request.
    #[inline]
    pub fn announced(&mut self) -> bool {
        let asked = std::mem::take(&mut self.asked);
        asked && !self.queue.wanted.swap(false, AcqRel)
    }
}

/// It neither locks nor waits: the thread that drops a port may be a vCPU's, may hold the console's lock, or may panic. The thread that
/// uses the console next ends it.
impl Drop for Input {
    fn drop(&mut self) {
        // Release: pairs with the load in `is_abandoned`.
        self.queue.dropped.store(true, Release);
        (self.queue.bells.dropped)();
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests;
