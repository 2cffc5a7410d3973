//! Output that waits for the owner: the policy [`Hold`](crate::OutputPolicy::Hold).
//!
//! The ring keeps the newest bytes and overwrites the oldest. With this policy the port shows the guest THRE = 0 before it would
//! overwrite bytes that the owner has not read, and THRE = 1 again when the owner has read some, or when the deadline has passed.
//!
//! # When
//!
//! With a ring of *C* bytes, and an owner whose cursor is *behind* bytes before the end of the output:
//!
//! | | when |
//! |---|---|
//! | a hold begins, by a THR write | behind ≥ 3/4 *C* |
//! | it ends because the owner has read | behind ≤ 3/4 *C* − *C*/64 |
//! | it ends because the deadline has passed | the deadline, counted from its beginning, whatever the owner and others do |
//! | after a missed deadline, the next hold may begin | when behind ≤ 1/2 *C*, or another session owns the console |
//!
//! The quarter that is left is for drivers that write a FIFO of 16 or 64 bytes after one look at THRE, on several vCPUs, and for what a
//! ring [announces ahead](vuart_scrollback). A guest that does not look at THRE writes on. What it writes is taken as ever, and counted.
//! Only the owner counts. Without one there is no hold.
//!
//! So an owner that is dead costs the guest one deadline, and then nothing. An owner that reads more slowly than *C*/64 bytes in a
//! deadline counts as dead. A hold never lasts longer than the deadline, because firmware waits for THRE without a limit (R9).
//!
//! # Who does what
//!
//! The console, under its lock, publishes the owner's cursor after each change ([`HoldControl`]). The port compares it with the end of the
//! output, at THR writes and at the guest's looks ([`OutputHold`]). Neither waits for the other.
//!
//! A guest that polls LSR finds the end of a hold by itself: the port reads the clock at each of its looks, while a hold lasts. A guest
//! that sleeps until the THRE interrupt must be told. The thread that reads for the owner interrupts it, as the thread that types does
//! for input; at the deadline it is the thread that [services](crate::Console::service) the console. The port rings the doorbell when
//! a hold begins, so that this thread learns of the deadline.
//!
//! # Why no wake-up is lost
//!
//! The port sets `wanted` and then looks once more whether the hold is over. The console changes `floor` or `turn`, which say whether
//! it is over, and then looks at `wanted`. On both sides a sequentially consistent fence stands between the two steps. So at least one
//! side sees what the other did (Dekker). The side that clears `wanted` must interrupt the guest.
//!
//! The console knows by `target`, the owner's cursor at which the hold ends, that a hold is over. The port stores it before `wanted`, and
//! moves it when the guest writes on. A console that sees an old target interrupts the guest too early. The guest finds THRE = 0, and
//! the port asks again.
//!
//! # Why a missed deadline counts for one owner
//!
//! `turn` numbers the times for which the policy applies anew: with each owner, and when an owner has caught up. Its lowest bit says that
//! the deadline was missed in this turn. The port and the console set it by a compare-and-swap from the turn in which they saw that the
//! hold is not over. So a deadline is counted once, and never falls on a later turn.
//!
//! `hold/model.rs` explores both under `loom`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::{AtomicBool, AtomicU64, fence};

mod control;

pub(crate) use control::{HoldControl, HoldCounts, HoldSwitch};

/// The bells that the two ends ring.
pub(crate) struct HoldBells {
    /// Rings when the policy begins to apply, and before `announce`.
    pub(crate) changed: Bell,
    /// Interrupts the guest. Rings when a hold is over that the guest waits for the end of.
    pub(crate) announce: Bell,
    /// Wakes the thread that services the console. Rings when a hold begins.
    pub(crate) doorbell: Bell,
}

/// How far the owner may be behind, in bytes.
#[derive(Debug, Clone, Copy)]
struct Marks {
    /// A hold begins.
    high: u64,
    /// It ends.
    low: u64,
    /// An owner that has missed a deadline has caught up.
    caught_up: u64,
}

impl Marks {
    fn of(capacity: u64) -> Self {
        let high = capacity / 4 * 3;
        Self { high, low: high - capacity / 64, caught_up: capacity / 2 }
    }
}

/// The value of `floor` while nothing waits for an owner.
const FREE: u64 = u64::MAX;

/// The most bytes that a driver writes after one look at THRE: the FIFO of a 16750.
const FIFO: u64 = 64;

/// The bit of `turn` that says that the deadline was missed.
const MISSED: u64 = 1;

struct Words {
    marks: Marks,
    /// The time from which `held_since` counts.
    base: Instant,
    /// The policy's deadline, in nanoseconds.
    deadline: AtomicU64,
    /// The policy is to hold. For sessions: whether the console wants to know how far they have read.
    on: AtomicBool,
    /// The owner's cursor, or [`FREE`]. Only the console stores to it.
    floor: AtomicU64,
    /// The floor at which the present hold ends. Only the port stores to it.
    target: AtomicU64,
    /// See the [module](self).
    turn: AtomicU64,
    /// The guest is to be interrupted when the hold is over.
    wanted: AtomicBool,
    /// When the present hold has begun, in nanoseconds after `base`, plus one. 0 if there is none. Only the port stores to it.
    held_since: AtomicU64,
    /// Counts, which only the port stores to.
    holds: AtomicU64,
    unheeded: AtomicU64,
    /// A count that both ends add to.
    missed: AtomicU64,
    bells: HoldBells,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words")
            .field("floor", &self.floor)
            .field("target", &self.target)
            .field("turn", &self.turn)
            .field("held_since", &self.held_since)
            .finish_non_exhaustive()
    }
}

impl Words {
    /// Whether the owner has read enough, has missed the deadline, or is gone.
    fn is_over(&self) -> bool {
        // Acquire: the owner has read the bytes before the floor before the guest overwrites them.
        self.floor.load(Acquire) >= self.target.load(Relaxed) || self.turn.load(Acquire) & MISSED != 0
    }

    /// The deadline was missed in this turn. The caller has seen, after it had loaded `turn`, that the hold is not over.
    fn miss(&self, turn: u64) {
        // AcqRel: one order with the console's turns. Relaxed for the failure: a new turn has begun, and nothing was missed in it.
        if turn & MISSED == 0 && self.turn.compare_exchange(turn, turn | MISSED, AcqRel, Relaxed).is_ok() {
            // Relaxed, here and at the other counts: they order nothing.
            self.missed.fetch_add(1, Relaxed);
        }
    }

    fn deadline(&self) -> Duration {
        // Relaxed: a deadline that has just been changed counts from some moment on.
        Duration::from_nanos(self.deadline.load(Relaxed))
    }
}

/// Makes the two ends, for a ring of `capacity` bytes.
pub(crate) fn pair(capacity: u64, bells: HoldBells) -> (HoldControl, OutputHold) {
    let words = Arc::new(Words {
        marks: Marks::of(capacity),
        base: Instant::now(),
        deadline: AtomicU64::new(0),
        on: AtomicBool::new(false),
        floor: AtomicU64::new(FREE),
        target: AtomicU64::new(0),
        turn: AtomicU64::new(0),
        wanted: AtomicBool::new(false),
        held_since: AtomicU64::new(0),
        holds: AtomicU64::new(0),
        unheeded: AtomicU64::new(0),
        missed: AtomicU64::new(0),
        bells,
    });
    (
        HoldControl::new(Arc::clone(&words)),
        OutputHold { words, held: false, written: 0, asked: false, since: None },
    )
}

/// A look at holds for any thread. It costs some loads, and takes no lock. [`OutputHold::watch`] makes it.
#[derive(Debug, Clone)]
pub struct HoldWatch(Arc<Words>);

impl HoldWatch {
    /// Whether the present hold is over: the owner has read enough or is gone, or its deadline was missed. The port ends it at the guest's
    /// next access.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }
}

/// The port's end of the policy [`Hold`](crate::OutputPolicy::Hold): it says when THRE is to be 0.
///
/// A port that uses it
///
/// * asks after each byte of output whether a hold [begins](Self::begins), while the policy [is on](Self::is_on);
/// * asks whether it [is over](Self::is_over) before it shows the guest a register that has THRE in it;
/// * [asks](Self::want) to be told of its end when the guest may sleep until then;
/// * tells that it has [ended](Self::end).
///
/// No method blocks, and all are wait-free. A port that does not use it, or has no transmitter, overwrites.
#[derive(Debug)]
pub struct OutputHold {
    words: Arc<Words>,
    held: bool,
    /// The bytes that were written since the hold began, with the one by which it began.
    written: u64,
    /// Whether we have set `wanted` and not cleared it.
    asked: bool,
    /// When the guest first had to wait for what the owner still has not read.
    since: Option<Instant>,
}

impl OutputHold {
    /// Whether a hold may begin: the policy is to hold, and the console has an owner. Costs one load.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        // Relaxed: the console counts a change when it begins to be on.
        self.words.floor.load(Relaxed) != FREE
    }

    /// Whether there is a hold that has not [ended](Self::end).
    #[inline]
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// A look at holds for any other thread.
    pub fn watch(&self) -> HoldWatch {
        HoldWatch(Arc::clone(&self.words))
    }

    /// The guest has written a byte, and the output ends at the offset `end`. Returns whether a hold begins now: THRE becomes 0. It
    /// wakes the thread that services the console then.
    ///
    /// Bytes that are written during a hold are counted, beyond the first 64: a driver may write a FIFO after one look.
    pub fn begins(&mut self, end: u64) -> bool {
        let words = &*self.words;
        let Marks { high, low, .. } = words.marks;
        if self.held {
            self.written += 1;
            if self.written > FIFO {
                // A load and a store are enough, here and below, because only this end stores.
                words.unheeded.store(words.unheeded.load(Relaxed) + 1, Relaxed);
            }
            words.target.store(end.saturating_sub(low), Relaxed);
            return false;
        }
        // Acquire: as in `is_over`.
        let behind = end.saturating_sub(words.floor.load(Acquire));
        if behind <= low {
            self.since = None;
        }
        if behind < high || words.turn.load(Acquire) & MISSED != 0 {
            return false;
        }
        // Relaxed: `want` and the store below publish it.
        words.target.store(end.saturating_sub(low), Relaxed);
        let since = *self.since.get_or_insert_with(Instant::now);
        let since = since.saturating_duration_since(words.base).as_nanos();
        // Release: who sees the hold also sees its target.
        words.held_since.store(u64::try_from(since).unwrap_or(u64::MAX - 1) + 1, Release);
        words.holds.store(words.holds.load(Relaxed) + 1, Relaxed);
        (self.held, self.written) = (true, 1);
        (words.bells.doorbell)();
        true
    }

    /// Whether the hold is over. If it is not, the clock is read, and if the deadline has passed, the hold is over by that.
    #[must_use]
    pub fn is_over(&mut self) -> bool {
        // Before the look at the floor: see `miss`.
        let turn = self.words.turn.load(Acquire);
        if self.words.is_over() {
            return true;
        }
        let late = self.since.is_none_or(|since| since.elapsed() >= self.words.deadline());
        if late {
            self.words.miss(turn);
            self.since = None;
        }
        late
    }

    /// Asks for an announcement of the end of the hold. Use it when the guest may sleep until then.
    ///
    /// Returns `false` if the hold is over already: [end](Self::end) it, and do not wait for the announcement.
    #[must_use]
    pub fn want(&mut self) -> bool {
        if !(self.asked && self.words.wanted.load(Relaxed)) {
            self.asked = true;
            // A swap, as in `Input::want`. Release: who takes the request sees the target.
            self.words.wanted.swap(true, Release);
        }
        // Also if it was asked before: the target may have moved since. Between our request and our look at the floor; pairs with the
        // fence in `HoldControl::announce`.
        fence(SeqCst);
        !self.words.is_over()
    }

    /// Withdraws the request for an announcement. Returns whether one has been or will be made all the same.
    pub fn announced(&mut self) -> bool {
        let asked = std::mem::take(&mut self.asked);
        asked && !self.words.wanted.swap(false, AcqRel)
    }

    /// The hold has ended: THRE is 1. Returns whether the console interrupts the guest for that.
    ///
    /// If the hold [was over](Self::is_over), the next one has a deadline of its own. If not, because the guest has reset the transmitter,
    /// the next one goes on with this one's, unless the owner reads in between.
    pub fn end(&mut self) -> bool {
        if self.words.is_over() {
            self.since = None;
        }
        self.held = false;
        // Relaxed: whoever sees the hold still there does something that does no harm.
        self.words.held_since.store(0, Relaxed);
        self.announced()
    }
}

/// A port that is dropped while it is held waits for nothing: its guest is not interrupted any more.
impl Drop for OutputHold {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests;
