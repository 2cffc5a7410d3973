//! The input queue: a bounded queue from the console's owner to the guest's receiver, without a lock between them.
//!
//! There is one producer, [`InputProducer`], which the console uses under its own lock. No vCPU thread ever takes that lock.
//! There is one consumer, [`Input`], which belongs to the port. Positions are 64-bit counts: `head` is the position of the
//! first symbol that waits, and `tail` the position behind the last. So `tail - head` symbols wait.
//!
//! # Who moves `head`
//!
//! Both sides move `head`, each by a single read-modify-write:
//!
//! * The consumer *takes*: it moves `head` past the symbols that it has read, by a compare-and-swap.
//! * The consumer *puts back* the last symbols that it has taken, when the guest resets its receiver before it has read them:
//!   it moves `head` back, by a compare-and-swap from the position where its last take ended.
//! * The producer *discards* when a new ownership begins. It moves `head` one position beyond `tail`, by an atomic maximum, and
//!   then `tail` to the same position. The position that lies between the two ownerships holds no symbol.
//!
//! So `head` has one order of changes, and each symbol that leaves the queue is either taken or discarded:
//!
//! * *A swap of the consumer fails if a discard has come between.* Each discard makes `head` greater than it has ever been,
//!   also the discard of an empty queue: that is what the position in between is for. Only the consumer makes `head` less, and
//!   only to a value from before its own take, which is less than any discard since. So no value of `head` comes back behind
//!   the consumer's back (no ABA). If its take fails, it throws away what it has read, and looks again.
//! * *What is put back waits again, or is discarded, once.* If the swap succeeds, no discard has happened since the symbols
//!   were taken, so they belong to the present ownership, and the next discard counts them with the others. If it fails, a new
//!   ownership has begun since. The symbols belong to an old one, and the consumer counts them as discarded
//!   ([`discarded_late`](InputProducer::discarded_late)).
//! * *No input of an old ownership reaches the guest's receiver after a discard.* The discard has counted all symbols that
//!   waited, and neither swap can bring one of them back.
//!
//! While a discard is half done, `head` is beyond `tail`. A consumer that sees that finds the queue empty.
//!
//! # Why a cell is not overwritten too early
//!
//! The cells of the last [`PUT_BACK_MAX`](Input::PUT_BACK_MAX) symbols that were taken are kept. There are that many cells more
//! than the producer fills. The producer writes at positions less than `h + capacity`, where `h` is a value that `head` has had.
//! Let `H` be the greatest value that `head` has had. Nothing before `H - PUT_BACK_MAX` is put back: a take that ends at `H`
//! makes it so, and later takes and puts move within the same cells. A position that shares its cell with one of them is at
//! least `H - PUT_BACK_MAX + capacity + PUT_BACK_MAX`, which is `H + capacity`, and the producer does not go there.
//!
//! For the same reason at most `capacity + PUT_BACK_MAX` symbols wait: `capacity` that were published, and those that were put
//! back after the producer had filled their room.
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
//! `input/model.rs` explores both protocols, and the races of taking and putting back with discarding and publishing, under
//! `loom`. A model fails if any of the four fences, either second look, the order of the store to `tail`, the compare-and-swap
//! of a take or of a put, or the position between two ownerships is removed. One thing loom cannot try is a load that is
//! satisfied after a later store of its own thread. The release of `head` and its acquisition by the producer exclude that;
//! this rests on the argument beside them alone.

mod device;
mod producer;

use std::fmt;
use std::sync::Arc;

pub(crate) use producer::InputProducer;

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

/// How much a queue holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// The most symbols that wait when they are published.
    pub(crate) capacity: u64,
    /// The most symbols that can be put back.
    pub(crate) put_back: u64,
}

impl Size {
    /// The size of a console's queue.
    pub(crate) const FULL: Self = if cfg!(loom) {
        // loom keeps a history of each cell.
        Self { capacity: 16, put_back: 16 }
    } else {
        Self { capacity: Input::CAPACITY as u64, put_back: Input::PUT_BACK_MAX as u64 }
    };
}

/// What a queue begins with, as in a restored snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Contents<'a> {
    /// Symbols that were taken and can be put back.
    pub(crate) taken: &'a [Symbol],
    /// Symbols that wait.
    pub(crate) waiting: &'a [Symbol],
}

struct InputQueue {
    cells: Box<[AtomicU16]>,
    /// The number of cells, less one: a mask, because that number is a power of two.
    mask: u64,
    size: Size,
    head: AtomicU64,
    tail: AtomicU64,
    /// Symbols that were to be put back when a new ownership had begun.
    discarded_late: AtomicU64,
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

/// Makes a queue that begins with some contents, and returns its two ends. `changes` is the count that [`Input::changes`]
/// reads. Contents that do not fit are left out: the oldest that were taken, and the newest that wait.
pub(crate) fn queue(
    size: Size,
    contents: Contents<'_>,
    changes: Changes,
    bells: InputBells,
) -> (InputProducer, Input) {
    let cells = (size.capacity + size.put_back).next_power_of_two();
    let Contents { taken, waiting } = contents;
    let most = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let taken = &taken[taken.len().saturating_sub(most(size.put_back))..];
    let head = taken.len() as u64;
    // What is put back finds its place among what waits.
    let waiting = &waiting[..waiting.len().min(most(size.capacity + size.put_back - head))];
    let tail = head + waiting.len() as u64;
    let mut kept = taken.iter().chain(waiting);
    let cell = |_| AtomicU16::new(kept.next().map_or(0, |symbol| symbol.to_cell()));
    let queue = Arc::new(InputQueue {
        cells: (0..cells).map(cell).collect(),
        mask: cells - 1,
        size,
        head: AtomicU64::new(head),
        tail: AtomicU64::new(tail),
        discarded_late: AtomicU64::new(0),
        wanted: AtomicBool::new(false),
        crowded: AtomicBool::new(false),
        dropped: AtomicBool::new(false),
        bells,
    });
    let producer = InputProducer { queue: Arc::clone(&queue), discards: 0 };
    (producer, Input { queue, end: head, held: head, asked: false, changes })
}

/// A look at the input queue for any thread. It costs a load or two, and takes no lock. [`Input::watch`] makes it.
#[derive(Debug, Clone)]
pub struct InputWatch(Arc<InputQueue>);

impl InputWatch {
    /// Whether no symbol waits at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // As in `Input::is_empty`.
        let tail = self.0.tail.load(Acquire);
        self.0.head.load(Relaxed) >= tail
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
    /// The position at which the last take ended, less what was put back since.
    end: u64,
    /// How many symbols before `end` can be put back.
    held: u64,
    /// Whether we have set `wanted` and not cleared it.
    asked: bool,
    changes: Changes,
}

impl Input {
    /// The most symbols that wait, behind the receiver's FIFO. A longer paste is held back in the client.
    ///
    /// Symbols that are [put back](Self::put_back) when the producer has filled their room already wait beside these.
    pub const CAPACITY: usize = 4096;

    /// The most symbols that can be [put back](Self::put_back): as many as the FIFO of any chip holds.
    pub const PUT_BACK_MAX: usize = 64;

    /// Whether no symbol waits at this moment.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Acquire: a caller that sees the new `tail` and goes on to `take` sees the cells. `tail` comes first: with a `head` from
        // before a discard, and a `tail` from after it, the queue would not look empty.
        let tail = self.queue.tail.load(Acquire);
        self.queue.head.load(Relaxed) >= tail
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
        // Acquire, here and when we lose the race below: a `tail` that is older than what a discard has seen would only make us
        // find less than there is.
        let mut head = queue.head.load(Acquire);
        let count = loop {
            // A discard that is half done has moved `head` beyond `tail`.
            let waiting = queue.tail.load(Acquire).saturating_sub(head);
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
        // After a discard, what was taken before it can't be put back.
        let before = if head == self.end { self.held } else { 0 };
        self.end = head + count as u64;
        self.held = (before + count as u64).min(queue.size.put_back);
        // Between the room we made and our look at `crowded`; pairs with the fence in `publish`.
        fence(SeqCst);
        if queue.crowded.load(Relaxed) && queue.crowded.swap(false, AcqRel) {
            (queue.bells.room)();
        }
        count
    }

    /// Puts the last `count` symbols that were [taken](Self::take) back to the front of the queue, because the guest's receiver
    /// was reset before the guest had read them. They are as they were, and wait again. Returns how many wait again.
    ///
    /// If a new ownership has begun since they were taken, none of them does: they are discarded, and counted as such. At most
    /// [`PUT_BACK_MAX`](Self::PUT_BACK_MAX) symbols can be put back.
    ///
    /// ```
    /// use vuart_endpoint::{Attach, Console, Identity, Symbol};
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// let (console, mut input) = Console::new(scrollback, || ());
    /// let mut owner = console.attach(Attach::new(Identity::new("alice", 0, None)))?;
    /// owner.write(b"abc")?;
    ///
    /// let mut fifo = [Symbol::Break; 16];
    /// assert_eq!(input.take(&mut fifo), 3);
    /// assert_eq!(input.put_back(2), 2); // the guest has read one of them
    /// assert_eq!(input.waiting(), [Symbol::Byte(b'b'), Symbol::Byte(b'c')]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_back(&mut self, count: usize) -> usize {
        let queue = &*self.queue;
        let count = self.held.min(count as u64);
        // Relaxed: the swap touches no cell. `take` reads the cells again and releases them again, and a swap does not hide the
        // release of an earlier take from the producer.
        let put_back = queue.head.compare_exchange(self.end, self.end - count, Relaxed, Relaxed).is_ok();
        if !put_back {
            queue.discarded_late.fetch_add(count, Relaxed);
            self.held = 0;
            return 0;
        }
        self.end -= count;
        self.held -= count;
        // `count` is no more than the usize it came from.
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Copies the symbols that wait, in order, and leaves them in the queue. For a snapshot: it allocates.
    pub fn waiting(&self) -> Vec<Symbol> {
        let queue = &*self.queue;
        // As in `take`, with a swap that moves nothing. It succeeds only if there was no discard, after which what we read was
        // perhaps overwritten. It is a release, so it comes before any later overwriting.
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
