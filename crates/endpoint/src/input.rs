//! The way in: a bounded queue between the owner of the console and the guest's receiver, without a lock between them.
//!
//! One producer at a time (the owner, under the console's own lock, which no vCPU thread ever takes) and one consumer
//! (the port). Positions are absolute 64-bit counts of symbols, `head` for what has gone and `tail` for what has come,
//! so `tail - head` are waiting and no position is ever used twice.
//!
//! # Who may move `head`
//!
//! The consumer, by as much as it takes, and whoever begins a new ownership, to `tail`: what the old owner had queued is
//! discarded. The consumer does it by compare-and-swap and the discarder by an atomic maximum, so each symbol is either
//! taken or discarded, exactly once, and the counts are exact. A consumer that read symbols which were discarded under its hands loses the race and throws them away;
//! the swap can't be fooled (no ABA), since positions only grow. So once a new ownership has begun, nothing of the old
//! one reaches the guest.
//!
//! # The two bells
//!
//! *Announce*: a guest that waits for input has halted its vCPU; the producer must interrupt it. The consumer sets
//! `wanted` when its receiver is empty and the interrupt enabled, and then looks at the queue again; the producer
//! publishes and then looks at `wanted`. A sequentially consistent fence stands between the two steps on both sides, so
//! at least one of them sees the other (Dekker), and no announcement is lost. Whoever clears `wanted` has the duty to
//! interrupt, so there is one interrupt for each time that it was set.
//!
//! A guest that polls does not ask anew each time, as long as nothing was [noted](Input::changes). Whoever clears `wanted` notes that
//! before the announcement, even if what it announces was taken long ago; so a guest that was interrupted asks again.
//!
//! *Room*: the same with the roles changed, `crowded` being set by a producer that could not put everything in.
//!
//! Both, and the race of a taker with a discarder, are explored under `loom` (`input/model.rs`): without any of the four
//! fences, either second look, the order of `tail` or the compare-and-swap, a model fails. What loom can't try is a load
//! that is satisfied after a later store of its own thread; the release of `head` and its acquisition by the producer
//! exclude that, and rest on the argument beside them alone.

use std::sync::Arc;

use crate::changes::Changes;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::{AtomicBool, AtomicU16, AtomicU64, fence};

/// What the host sends over the line. (It is part of a port's state, a format that stays: variants keep names and order.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Symbol {
    /// A character.
    Byte(u8),
    /// A break: the line at space for longer than a character.
    Break,
}

impl Symbol {
    const BREAK: u16 = 0x100;

    const fn to_cell(self) -> u16 {
        match self {
            // `u16::from` is not const yet.
            Self::Byte(byte) => byte as u16,
            Self::Break => Self::BREAK,
        }
    }

    const fn from_cell(cell: u16) -> Self {
        if cell == Self::BREAK { Self::Break } else { Self::Byte(cell.to_le_bytes()[0]) }
    }
}

pub(crate) struct InputQueue {
    cells: Box<[AtomicU16]>,
    head: AtomicU64,
    tail: AtomicU64,
    wanted: AtomicBool,
    crowded: AtomicBool,
    changes: Changes,
    announce: Bell,
    room: Bell,
}

/// Wakes the other side. It must not block.
pub(crate) type Bell = Box<dyn Fn() + Send + Sync>;

impl std::fmt::Debug for InputQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InputQueue")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl InputQueue {
    /// How many symbols wait at most, behind the receiver's FIFO. A paste that is longer is held back in the client.
    #[cfg(not(all(test, loom)))]
    pub(crate) const CAPACITY: usize = 4096;
    /// A model's queue is full soon.
    #[cfg(all(test, loom))]
    pub(crate) const CAPACITY: usize = 2;

    /// `announce` is rung when input comes that was [wanted](Input::want), `room` when there is room again after a
    /// [`publish`](Self::publish) that could not put everything in.
    pub(crate) fn new(changes: Changes, announce: Bell, room: Bell) -> Self {
        Self {
            cells: (0..Self::CAPACITY).map(|_| AtomicU16::new(0)).collect(),
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            changes,
            announce,
            room,
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "see below")]
    fn cell(&self, position: u64) -> &AtomicU16 {
        // Truncation takes nothing away: CAPACITY is a power of two that a usize can hold.
        &self.cells[position as usize % Self::CAPACITY]
    }

    fn free(&self) -> usize {
        // Acquire, paired with the swap in `take`: the consumer has read what we are about to overwrite.
        let waiting = self.tail.load(Relaxed) - self.head.load(Acquire);
        usize::try_from(waiting).map_or(0, |waiting| Self::CAPACITY.saturating_sub(waiting))
    }

    /// Puts in as many symbols as there is room for, and says how many. One producer at a time.
    pub(crate) fn publish(&self, symbols: impl ExactSizeIterator<Item = Symbol>) -> usize {
        let offered = symbols.len();
        if offered == 0 {
            return 0;
        }
        let mut free = self.free();
        if free < offered {
            self.crowded.store(true, Relaxed);
            // Between our flag and our second look at `head`; pairs with the fence in `take`.
            fence(SeqCst);
            free = self.free();
        }
        let taken = offered.min(free);
        if taken == 0 {
            return 0;
        }
        // Relaxed: only the producer stores to `tail`, and producers follow one another under a lock.
        let tail = self.tail.load(Relaxed);
        for (position, symbol) in (tail..).zip(symbols.take(taken)) {
            // Relaxed: published by the store to `tail`.
            self.cell(position).store(symbol.to_cell(), Relaxed);
        }
        self.tail.store(tail + taken as u64, Release);
        // Between our publication and our look at `wanted`; pairs with the fence in `Input::want`.
        fence(SeqCst);
        let wanted = self.wanted.load(Relaxed) && self.wanted.swap(false, AcqRel);
        self.changes.note();
        if wanted {
            (self.announce)();
        }
        taken
    }

    /// Discards all that waits and says how much that was. One producer at a time, and this is one.
    pub(crate) fn discard(&self) -> u64 {
        let tail = self.tail.load(Relaxed);
        // AcqRel as in `take`: what comes after us may overwrite the cells. The consumer never goes beyond `tail`.
        tail.saturating_sub(self.head.fetch_max(tail, AcqRel))
    }

    /// Symbols that wait; while there are some, `room` is rung when the consumer has taken more.
    pub(crate) fn left(&self) -> u64 {
        self.crowded.store(true, Relaxed);
        // Between our flag and our look at `head`; pairs with the fence in `take`.
        fence(SeqCst);
        self.len()
    }

    /// Symbols that wait.
    pub(crate) fn len(&self) -> u64 {
        // `head` first: it never overtakes a `tail` that is read later.
        let head = self.head.load(Acquire);
        self.tail.load(Acquire) - head
    }

    /// Symbols that came and have gone, taken or discarded.
    pub(crate) fn gone(&self) -> u64 {
        self.head.load(Relaxed)
    }
}

/// The consumer's end of the way in: what a UART's receiver takes its characters from.
///
/// All methods are wait-free or retry only when a take-over discarded what they were about to take; none blocks.
#[derive(Debug)]
pub struct Input {
    queue: Arc<InputQueue>,
    /// `wanted` has been set by us and not been cleared by us.
    waiting: bool,
    changes: Changes,
}

impl Input {
    /// How many symbols wait at most.
    pub const CAPACITY: usize = InputQueue::CAPACITY;

    pub(crate) fn new(queue: Arc<InputQueue>) -> Self {
        let changes = queue.changes.clone();
        Self { queue, waiting: false, changes }
    }

    /// Nothing waits at this moment.
    pub fn is_empty(&self) -> bool {
        // Acquire: whoever sees the new `tail` and goes on to `take` sees the cells.
        self.queue.head.load(Relaxed) == self.queue.tail.load(Acquire)
    }

    /// How often the host has done something that the port has to look at: input has come, an [announcement](Self::want) was made,
    /// the [carrier](crate::GuestLines::take) is to be dropped. One load.
    ///
    /// A port that takes the count *before* it looks at all of these need not look again while it stays the same: whoever
    /// interrupts the guest has counted before.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.count()
    }

    /// Takes as many symbols as wait and fit into `out`, in order, and says how many.
    pub fn take(&mut self, out: &mut [Symbol]) -> usize {
        let queue = &*self.queue;
        // Acquire, here and when we lose the race below: a discard has moved `head` to a `tail` that we may not have seen
        // yet, and a `tail` that is older than `head` would make no sense.
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
            // Release: our reads of the cells come before anybody's writes into the room we make. A failure means that
            // a take-over has discarded what we read; look again.
            match queue.head.compare_exchange(head, head + count as u64, AcqRel, Acquire) {
                Ok(_) => break count,
                Err(now) => head = now,
            }
        };
        // Between the room we made and our look at `crowded`; pairs with the fence in `publish`.
        fence(SeqCst);
        if queue.crowded.load(Relaxed) && queue.crowded.swap(false, AcqRel) {
            (queue.room)();
        }
        count
    }

    /// What waits, in order; it stays where it is. For a snapshot: it allocates.
    pub fn waiting(&self) -> Vec<Symbol> {
        let queue = &*self.queue;
        // As in `take`, with a swap that moves nothing: it succeeds only if nobody has discarded, and so overwritten, what
        // was read, and being a release it comes before whoever does so later.
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

    /// The receiver is empty and its interrupt is enabled: ask for an announcement. `false` means that something came
    /// in the meantime; [`take`](Self::take) it, and the announcement need not be waited for.
    #[must_use]
    pub fn want(&mut self) -> bool {
        if self.waiting && self.queue.wanted.load(Relaxed) {
            // Asked already, and looked after that: whoever has come since will announce.
            return self.is_empty();
        }
        self.waiting = true;
        // A store would do. loom 0.7.3, though, lets the producer's swap read past another thread's plain store, to a value
        // that the producer has seen overwritten; of swaps it keeps the order, and so the model holds.
        self.queue.wanted.swap(true, Relaxed);
        // Between our wish and our second look at the queue; pairs with the fence in `publish`.
        fence(SeqCst);
        self.is_empty()
    }

    /// The receiver goes on without an announcement. `true` means that one has been or will be made all the same: the
    /// producer had already taken the duty on itself.
    pub fn announced(&mut self) -> bool {
        let waiting = std::mem::take(&mut self.waiting);
        waiting && !self.queue.wanted.swap(false, AcqRel)
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    type Count = Arc<AtomicUsize>;

    fn bell() -> (Bell, Count) {
        let rung = Count::default();
        let count = Arc::clone(&rung);
        (
            Box::new(move || {
                count.fetch_add(1, SeqCst);
            }),
            rung,
        )
    }

    fn bytes(bytes: &[u8]) -> impl ExactSizeIterator<Item = Symbol> {
        bytes.iter().copied().map(Symbol::Byte)
    }

    /// The queue's two ends, and how often input was announced and room was.
    fn queue() -> (Arc<InputQueue>, Input, Count, Count) {
        let ((announce, announced), (room, roomy)) = (bell(), bell());
        let queue = Arc::new(InputQueue::new(Changes::default(), announce, room));
        (Arc::clone(&queue), Input::new(queue), announced, roomy)
    }

    fn take_all(input: &mut Input) -> Vec<Symbol> {
        let mut all = Vec::new();
        let mut some = [Symbol::Break; 7];
        loop {
            match input.take(&mut some) {
                0 => return all,
                n => all.extend(&some[..n]),
            }
        }
    }

    #[test]
    fn s1_memory_is_bounded_and_the_producer_is_told() {
        let (queue, mut input, ..) = queue();
        let megabyte = vec![b'x'; 1 << 20];
        assert_eq!(queue.publish(bytes(&megabyte)), InputQueue::CAPACITY);
        assert_eq!(queue.publish(bytes(&megabyte)), 0);
        assert_eq!(input.take(&mut [Symbol::Break; 3]), 3);
        assert_eq!(queue.publish(bytes(&megabyte)), 3);
    }

    #[test]
    fn symbols_keep_their_order_and_kind() {
        let (queue, mut input, ..) = queue();
        let sent = [Symbol::Byte(0), Symbol::Break, Symbol::Byte(0xFF), Symbol::Break];
        assert_eq!(queue.publish(sent.into_iter()), 4);
        assert_eq!(take_all(&mut input), sent);
    }

    #[test]
    fn announced_once_for_each_wish() {
        let (queue, mut input, announced, _) = queue();
        queue.publish(bytes(b"early"));
        assert_eq!(announced.load(SeqCst), 0, "nobody had asked");
        assert!(!input.want(), "something is there already");
        assert!(!input.announced(), "and so the duty is the receiver's own");
        take_all(&mut input);

        assert!(input.want());
        queue.publish(bytes(b"a"));
        queue.publish(bytes(b"b"));
        assert_eq!(announced.load(SeqCst), 1);
        assert!(input.announced());
        assert!(!input.announced());
    }

    #[test]
    fn e4_discarded_exactly_once() {
        let (queue, mut input, ..) = queue();
        queue.publish(bytes(b"old owner"));
        assert_eq!(input.take(&mut [Symbol::Break; 3]), 3);
        assert_eq!(queue.discard(), 6);
        assert_eq!(queue.discard(), 0);
        assert!(input.is_empty());
        queue.publish(bytes(b"new"));
        assert_eq!(take_all(&mut input).len(), 3);
        assert_eq!(queue.gone(), 12);
    }

    #[test]
    fn a_crowded_producer_is_woken_by_room() {
        let (queue, mut input, _, roomy) = queue();
        let rung = || roomy.swap(0, SeqCst) == 1;
        queue.publish(bytes(&[0; InputQueue::CAPACITY]));
        assert!(!rung());
        queue.publish(bytes(b"x"));
        input.take(&mut [Symbol::Break; 16]);
        assert!(rung());
        input.take(&mut [Symbol::Break; 16]);
        assert!(!rung(), "coalesced");
    }

    /// Three threads: each symbol that was published is either taken or discarded, and those taken are in order.
    #[test]
    fn taken_and_discarded_add_up_under_contention() {
        const COUNT: u64 = 200_000;
        let (queue, mut input, ..) = queue();
        let producer = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let (mut sent, mut discarded) = (0, 0);
                while sent < COUNT {
                    // The low byte of its position is each symbol's value.
                    let next = [Symbol::Byte(sent.to_le_bytes()[0])];
                    sent += queue.publish(next.into_iter()) as u64;
                    if sent % 977 == 0 {
                        discarded += queue.discard();
                    }
                    if queue.free() == 0 {
                        std::thread::yield_now();
                    }
                }
                discarded
            }
        });
        let mut taken = 0;
        let mut some = [Symbol::Break; 16];
        loop {
            let done = producer.is_finished();
            let n = input.take(&mut some);
            taken += n as u64;
            // The last one taken was at position head - 1: nothing was torn out of its place.
            if n > 0 {
                let values: Vec<u8> = some[..n]
                    .iter()
                    .map(|s| match s {
                        Symbol::Byte(b) => *b,
                        Symbol::Break => panic!("never sent"),
                    })
                    .collect();
                assert!(values.windows(2).all(|w| w[1] == w[0].wrapping_add(1)), "{values:?}");
            } else if done {
                break;
            }
        }
        assert_eq!(taken + producer.join().unwrap(), COUNT);
    }
}
