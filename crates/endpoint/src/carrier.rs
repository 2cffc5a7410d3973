//! What passes between the console and the guest's port besides bytes: the carrier (DCD), DTR and breaks.
//!
//! The console hangs up: it requests a drop of DCD, and the port drops DCD when the guest next looks. The guest hangs up: it
//! drops DTR, and the console is told. The console is also told when the guest has seen a drop, of each break that the guest sends,
//! and whether the guest has stopped input.
//!
//! Neither side waits for the other: there is no lock, no allocation and no retry. The console uses its end, the [`Carrier`], under its
//! own lock, which no vCPU thread ever takes. [`GuestLines`] belongs to the thread that accesses the port.
//!
//! # Why no hang-up is lost
//!
//! One word says whether a drop is due and whether the guest is interrupted for one. Each change of the word is a single
//! read-modify-write. So the changes of both sides are in one order, and no fence is needed, unlike between the two words of
//! the [input queue](crate::Input). The host sets [`DUE`] and learns by the same step whether the guest listened at that
//! moment. The port says that the guest listens, and by the same step learns whether a drop was due, and takes it.
//!
//! So while both bits are set, the host set [`DUE`] after the port set [`LISTENS`], and it has interrupted the guest or is about
//! to. This gives each side its duty: the host interrupts for a drop that becomes due while the guest listens, and the port
//! interrupts for any other. A hang-up that comes while a drop is due adds nothing.
//!
//! `carrier/model.rs` explores both duties under `loom`.

use std::fmt;
use std::sync::Arc;

use crate::bell::Bell;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sync::{AtomicBool, AtomicU8, AtomicU64};

/// The carrier is to be dropped.
const DUE: u8 = 0x01;
/// The guest is interrupted when the carrier drops.
const LISTENS: u8 = 0x02;

/// The bells that the two ends ring.
pub(crate) struct CarrierBells {
    /// Rings after each hang-up, before `announce`.
    pub(crate) changed: Bell,
    /// Interrupts the guest. Rings when a drop becomes due that the guest listens for.
    pub(crate) announce: Bell,
    /// Wakes the console's side. Rings when the guest has seen a drop, hangs up or sends a break.
    pub(crate) doorbell: Bell,
}

struct Signals {
    /// [`DUE`] and [`LISTENS`].
    drop: AtomicU8,
    drop_seen: AtomicBool,
    guest_hung_up: AtomicBool,
    guest_breaks: AtomicU64,
    /// The guest was reset while it held DTR.
    reset_dropped_dtr: AtomicBool,
    guest_resets: AtomicU64,
    input_stopped: AtomicBool,
    /// The number of times that `input_stopped` was set. Only the port stores to it.
    input_stops: AtomicU64,
    bells: CarrierBells,
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("drop", &self.drop)
            .field("guest_hung_up", &self.guest_hung_up)
            .field("guest_breaks", &self.guest_breaks)
            .field("input_stopped", &self.input_stopped)
            .finish_non_exhaustive()
    }
}

/// Makes the two ends. `due` says that a drop is due already.
pub(crate) fn pair(bells: CarrierBells, due: bool) -> (Carrier, GuestLines) {
    let signals = Arc::new(Signals {
        drop: AtomicU8::new(if due { DUE } else { 0 }),
        drop_seen: AtomicBool::new(false),
        guest_hung_up: AtomicBool::new(false),
        guest_breaks: AtomicU64::new(0),
        reset_dropped_dtr: AtomicBool::new(false),
        guest_resets: AtomicU64::new(0),
        input_stopped: AtomicBool::new(false),
        input_stops: AtomicU64::new(0),
        bells,
    });
    let carrier = Carrier(Arc::clone(&signals));
    (carrier, GuestLines { signals, listens: false, dtr: false, breaks: false, input_stopped: false })
}

/// The console's end of the modem lines: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Carrier(Arc<Signals>);

impl Carrier {
    /// Requests a drop of DCD: see [`Console::hang_up`](crate::Console::hang_up). Only the console's state does so
    /// (`State::hang_up`), which counts it and knows what an answer to it is.
    ///
    /// Returns whether the guest is interrupted for it.
    pub(crate) fn hang_up(&self) -> bool {
        // AcqRel, though the order of changes to the word itself needs less: what the caller did before (a take-over) comes
        // before the guest's reaction.
        let before = self.0.drop.fetch_or(DUE, AcqRel);
        let listens = before & LISTENS != 0;
        (self.0.bells.changed)();
        if listens && before & DUE == 0 {
            (self.0.bells.announce)();
        }
        listens
    }

    /// Returns whether the guest has seen DCD low for a hang-up since the last call.
    ///
    /// Ask after [`guest_hung_up`](Self::guest_hung_up): what the guest saw before it hung up is then seen here.
    #[must_use]
    pub(crate) fn drop_was_seen(&self) -> bool {
        // As in `guest_hung_up`. The load may be relaxed there and here: a caller that has just learned that the guest hung up has
        // acquired what the guest did before.
        self.0.drop_seen.load(Relaxed) && self.0.drop_seen.swap(false, Acquire)
    }

    /// Returns whether the guest has hung up (dropped DTR) since the last call. The console's
    /// [doorbell](crate::Console::doorbell) rings when it does.
    ///
    /// A guest that hangs up in answer to a [`hang_up`](Self::hang_up) looks like one that hangs up by itself: Linux with
    /// HUPCL drops DTR when the last process has closed the port.
    #[must_use]
    pub(crate) fn guest_hung_up(&self) -> bool {
        // The load comes first because it is cheap: the console asks each time that the doorbell rings.
        self.0.guest_hung_up.load(Relaxed) && self.0.guest_hung_up.swap(false, Acquire)
    }

    /// Returns how many breaks the guest has sent since the last call. The console's
    /// [doorbell](crate::Console::doorbell) rings for each.
    #[must_use]
    pub(crate) fn guest_breaks(&self) -> u64 {
        match self.0.guest_breaks.load(Relaxed) {
            0 => 0,
            _ => self.0.guest_breaks.swap(0, Acquire),
        }
    }

    /// Returns what has come of resets since the last call.
    pub(crate) fn guest_resets(&self) -> GuestResets {
        if self.0.guest_resets.load(Relaxed) == 0 {
            return GuestResets::default();
        }
        // Acquire, and first: the fall of DTR that belongs to a count is seen with it.
        let count = self.0.guest_resets.swap(0, Acquire);
        GuestResets { count, dropped_dtr: self.0.reset_dropped_dtr.swap(false, Relaxed) }
    }

    /// Whether the guest has stopped input.
    pub(crate) fn input_stopped(&self) -> bool {
        // Relaxed, here and below: it is told to people, and orders nothing.
        self.0.input_stopped.load(Relaxed)
    }

    /// How often the guest has stopped input.
    pub(crate) fn input_stops(&self) -> u64 {
        self.0.input_stops.load(Relaxed)
    }
}

/// What the console is told of [resets](GuestLines::reset) of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct GuestResets {
    /// How often it was reset.
    pub(crate) count: u64,
    /// DTR fell by one of them.
    pub(crate) dropped_dtr: bool,
}

/// A drop of the carrier that the port has taken and must carry out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the carrier is to be dropped now"]
pub struct DropDue {
    /// Whether the console interrupts the guest for this drop. If not, the port must.
    pub announced: bool,
}

/// A look at drops of the carrier for any thread. It costs a load, and takes no lock. [`GuestLines::watch`] makes it.
#[derive(Debug, Clone)]
pub struct DropWatch(Arc<Signals>);

impl DropWatch {
    /// Whether a drop of the carrier is due that the guest is interrupted for, and the port has not taken it.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        // Acquire: a thread that was told of the hang-up sees it.
        self.0.drop.load(Acquire) == DUE | LISTENS
    }
}

/// The port's end of the modem lines.
///
/// All methods are wait-free.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is the level of a line")]
pub struct GuestLines {
    signals: Arc<Signals>,
    /// The bit [`LISTENS`] of the word, which only this end changes.
    listens: bool,
    dtr: bool,
    breaks: bool,
    input_stopped: bool,
}

impl GuestLines {
    /// A look at drops of the carrier for any other thread.
    pub fn watch(&self) -> DropWatch {
        DropWatch(Arc::clone(&self.signals))
    }

    /// Whether a drop of the carrier is due. Costs one load.
    #[inline]
    #[must_use]
    pub fn is_due(&self) -> bool {
        // Relaxed: the interrupt tells a guest that listens, and any other guest finds the drop the next time.
        self.signals.drop.load(Relaxed) & DUE != 0
    }

    /// Takes the drop that is due, if any: DCD goes low now.
    #[inline]
    pub fn take(&mut self) -> Option<DropDue> {
        self.listen(self.listens)
    }

    /// Sets whether the guest is interrupted when the carrier drops (IER.EDSSI). Also takes a drop that is due, as
    /// [`take`](Self::take) does.
    pub fn listen(&mut self, listens: bool) -> Option<DropDue> {
        let listened = std::mem::replace(&mut self.listens, listens);
        if listened == listens && !self.is_due() {
            return None;
        }
        let before = self.signals.drop.swap(if listens { LISTENS } else { 0 }, AcqRel);
        (before & DUE != 0).then_some(DropDue { announced: listened })
    }

    /// The guest has seen DCD low for a hang-up. The console is told.
    pub fn saw_drop(&mut self) {
        // Release: as in `dtr`.
        self.signals.drop_seen.store(true, Release);
        (self.signals.bells.doorbell)();
    }

    /// Sets the levels that the guest drives already, as in a restored snapshot: DTR, and a break. The console is told nothing, because
    /// it was told where the port began.
    pub fn resume(&mut self, dtr: bool, breaks: bool) {
        (self.dtr, self.breaks) = (dtr, breaks);
    }

    /// Sets the level of DTR. The console is told when DTR goes low.
    pub fn dtr(&mut self, dtr: bool) {
        if std::mem::replace(&mut self.dtr, dtr) && !dtr {
            // Release, here and below: a console that learns of it also sees what the guest has written and seen before.
            self.signals.guest_hung_up.store(true, Release);
            (self.signals.bells.doorbell)();
        }
    }

    /// The guest was reset. DTR goes low and a break ends, as at power-on, and the guest does not listen. A drop of the carrier that is
    /// due has become pointless: the login session that it was to end is gone.
    ///
    /// The console is told of the reset. The fall of DTR is no hang-up by the guest, unless the
    /// [policy](crate::Policy::detach_on_reset) says so.
    pub fn reset(&mut self) {
        let _ = self.listen(false);
        self.breaks = false;
        if std::mem::take(&mut self.dtr) {
            // Relaxed: the count below publishes it.
            self.signals.reset_dropped_dtr.store(true, Relaxed);
        }
        // Release: a console that learns of it also sees what the guest has written before.
        self.signals.guest_resets.fetch_add(1, Release);
        (self.signals.bells.doorbell)();
    }

    /// Sets whether the guest has stopped input, by RTS or XOFF. The console can be [asked](crate::Console::input_stopped), and is not
    /// woken: a guest may stop input as often as it likes.
    pub fn stop_input(&mut self, stopped: bool) {
        if std::mem::replace(&mut self.input_stopped, stopped) == stopped {
            return;
        }
        // Relaxed: see `Carrier::input_stopped`.
        self.signals.input_stopped.store(stopped, Relaxed);
        if stopped {
            // A load and a store are enough, because only this end stores.
            let stops = &self.signals.input_stops;
            stops.store(stops.load(Relaxed) + 1, Relaxed);
        }
    }

    /// Sets whether the guest holds its output at space (LCR.SB). The console is told when a break begins.
    pub fn break_out(&mut self, breaks: bool) {
        if !std::mem::replace(&mut self.breaks, breaks) && breaks {
            self.signals.guest_breaks.fetch_add(1, Release);
            (self.signals.bells.doorbell)();
        }
    }
}

/// The port is gone, and with it the guest that listened at it: a later hang-up interrupts nobody.
impl Drop for GuestLines {
    fn drop(&mut self) {
        let _ = self.listen(false);
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests;
