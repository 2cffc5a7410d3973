//! What passes between the console and the guest's port besides bytes: the carrier, DTR, breaks.
//!
//! The console hangs up: it asks for a drop of DCD, and the port drops it when the guest next looks. The guest hangs up:
//! it drops DTR, and the console is told. A break that the guest sends is told as well.
//!
//! Neither side ever waits for the other: no lock, no allocation, no retry. [`Carrier`] is for any number of threads, and
//! [`GuestLines`] for the one that accesses the port.
//!
//! # Why no hang-up is lost
//!
//! Whether a drop is due and whether the guest is interrupted for one stand in one word, and each change of it is one
//! read-modify-write. So the two sides come in an order, and no fence is needed as it is between the two words of the
//! [way in](crate::Input): the host sets [`DUE`] and is told by the same step whether the guest listened at that moment; the
//! port says that the guest listens, and is told by the same step whether a drop was due, which is then taken.
//!
//! It follows that while both bits are set, the one who set [`DUE`] was the second, and has announced it or is about to.
//! Hence the duties: a drop that came while the guest listened has been announced by the host, and any other is the
//! port's to announce. What comes while one is due has nothing to add.
//!
//! `carrier/model.rs` explores both under `loom`.

use std::sync::Arc;

use crate::changes::Changes;
use crate::input::Bell;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sync::{AtomicBool, AtomicU8, AtomicU64};

/// The carrier is to be dropped.
const DUE: u8 = 0x01;
/// The guest is interrupted when the carrier drops.
const LISTENS: u8 = 0x02;

struct Shared {
    /// [`DUE`] and [`LISTENS`].
    drop: AtomicU8,
    guest_hung_up: AtomicBool,
    guest_breaks: AtomicU64,
    changes: Changes,
    /// Interrupts the guest.
    announce: Bell,
    /// Wakes the console's side.
    doorbell: Bell,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("drop", &self.drop)
            .field("guest_hung_up", &self.guest_hung_up)
            .field("guest_breaks", &self.guest_breaks)
            .finish_non_exhaustive()
    }
}

/// Both ends. `announce` is rung when a drop comes that the guest listens for, `doorbell` when the guest hangs up or sends a
/// break. Neither may block.
pub(crate) fn pair(changes: Changes, announce: Bell, doorbell: Bell) -> (Carrier, GuestLines) {
    let shared = Arc::new(Shared {
        drop: AtomicU8::new(0),
        guest_hung_up: AtomicBool::new(false),
        guest_breaks: AtomicU64::new(0),
        changes,
        announce,
        doorbell,
    });
    (Carrier(Arc::clone(&shared)), GuestLines { shared, listens: false, dtr: false, breaks: false })
}

/// The console's end of the line to the guest's port: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Carrier(Arc<Shared>);

impl Carrier {
    /// Hangs up on the guest: DCD goes low, and up again when the guest has seen that (CTS and DSR stay). A guest that hangs
    /// up for it (Linux without CLOCAL) ends the session at its port. What is asked for before the guest has seen the last
    /// one is the same one.
    ///
    /// The answer is whether the guest is interrupted for it. If not, because it has not asked for that (IER.EDSSI), it finds
    /// the drop when it next looks at the lines, and may well make nothing of it.
    // Not must_use: who hangs up because the policy says so can do nothing about a guest that does not listen.
    #[allow(clippy::must_use_candidate, reason = "see above")]
    pub fn hang_up(&self) -> bool {
        // AcqRel, though it orders nothing but the word itself: what the caller did before (a take-over) comes before what
        // the guest does about it.
        let before = self.0.drop.fetch_or(DUE, AcqRel);
        let listens = before & LISTENS != 0;
        self.0.changes.note();
        if listens && before & DUE == 0 {
            (self.0.announce)();
        }
        listens
    }

    /// Whether the guest has hung up (dropped DTR) since this was last asked. The console's
    /// [doorbell](crate::Console::doorbell) rings for it.
    ///
    /// A guest that answers a [`hang_up`](Self::hang_up) by one of its own is not told from one that hangs up by itself: Linux
    /// with HUPCL drops DTR when the last process has closed the port.
    #[must_use]
    pub fn guest_hung_up(&self) -> bool {
        // The load is what it costs to be asked each time that the doorbell rings.
        self.0.guest_hung_up.load(Relaxed) && self.0.guest_hung_up.swap(false, Acquire)
    }

    /// How many breaks the guest has sent since this was last asked. The doorbell rings for each.
    #[must_use]
    pub fn guest_breaks(&self) -> u64 {
        match self.0.guest_breaks.load(Relaxed) {
            0 => 0,
            _ => self.0.guest_breaks.swap(0, Acquire),
        }
    }
}

/// A drop of the carrier that has been taken from the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the carrier is to be dropped now"]
pub struct DropDue {
    /// The guest has been interrupted for it, or is about to be. Otherwise that is the port's duty.
    pub announced: bool,
}

/// The port's end of it: the lines as the guest drives and sees them.
///
/// All methods are wait-free.
#[derive(Debug)]
pub struct GuestLines {
    shared: Arc<Shared>,
    /// As in the word, which nobody else changes this bit of.
    listens: bool,
    dtr: bool,
    breaks: bool,
}

impl GuestLines {
    /// Whether a drop of the carrier waits to be taken. One load.
    #[inline]
    #[must_use]
    pub fn is_due(&self) -> bool {
        // Relaxed: a guest that was interrupted for it has been told by way of the interrupt, and any other finds it the
        // next time.
        self.shared.drop.load(Relaxed) & DUE != 0
    }

    /// Takes the drop that is due, if one is: DCD goes low now.
    #[inline]
    pub fn take(&mut self) -> Option<DropDue> {
        self.listen(self.listens)
    }

    /// Whether the guest is interrupted from now on when the carrier drops. Takes a drop that is due already, as
    /// [`take`](Self::take) does.
    pub fn listen(&mut self, listens: bool) -> Option<DropDue> {
        let listened = std::mem::replace(&mut self.listens, listens);
        if listened == listens && !self.is_due() {
            return None;
        }
        let before = self.shared.drop.swap(if listens { LISTENS } else { 0 }, AcqRel);
        (before & DUE != 0).then_some(DropDue { announced: listened })
    }

    /// The level of DTR. That it goes low is told to the console.
    pub fn dtr(&mut self, dtr: bool) {
        if std::mem::replace(&mut self.dtr, dtr) && !dtr {
            // Release, here and below: who hears of it sees what the guest has written before.
            self.shared.guest_hung_up.store(true, Release);
            (self.shared.doorbell)();
        }
    }

    /// Whether the guest holds its line at space. That a break begins is told to the console.
    pub fn break_out(&mut self, breaks: bool) {
        if !std::mem::replace(&mut self.breaks, breaks) && breaks {
            self.shared.guest_breaks.fetch_add(1, Release);
            (self.shared.doorbell)();
        }
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    type Count = Arc<AtomicUsize>;

    fn bell() -> (Bell, Count) {
        let rung = Count::default();
        let count = Arc::clone(&rung);
        let bell = move || {
            count.fetch_add(1, SeqCst);
        };
        (Box::new(bell), rung)
    }

    /// Both ends, how often the guest was interrupted and how often the console was woken.
    fn lines() -> (Carrier, GuestLines, Count, Count) {
        let ((announce, announced), (doorbell, woken)) = (bell(), bell());
        let (carrier, lines) = pair(Changes::default(), announce, doorbell);
        (carrier, lines, announced, woken)
    }

    #[test]
    fn a_guest_that_listens_is_interrupted_once_for_each_drop() {
        let (carrier, mut lines, announced, _) = lines();
        assert_eq!(lines.listen(true), None);
        assert!(carrier.hang_up());
        assert!(carrier.hang_up(), "it listens, and this is the same drop");
        assert_eq!(announced.load(SeqCst), 1);
        assert!(lines.is_due());
        assert_eq!(lines.take(), Some(DropDue { announced: true }));
        assert_eq!(lines.take(), None);
        assert!(carrier.hang_up());
        assert_eq!(announced.load(SeqCst), 2);
    }

    #[test]
    fn a_guest_that_comes_to_listen_finds_what_was_before() {
        let (carrier, mut lines, announced, _) = lines();
        assert!(!carrier.hang_up());
        assert_eq!(lines.listen(true), Some(DropDue { announced: false }));
        assert!(carrier.hang_up());
        assert_eq!(lines.listen(false), Some(DropDue { announced: true }));
        assert!(!carrier.hang_up());
        assert_eq!(lines.take(), Some(DropDue { announced: false }));
        assert_eq!(announced.load(SeqCst), 1);
    }

    #[test]
    fn the_console_is_told_of_each_fall_of_dtr_and_each_break() {
        let (carrier, mut lines, _, woken) = lines();
        lines.dtr(false);
        lines.break_out(false);
        lines.dtr(true);
        assert!(!carrier.guest_hung_up());
        assert_eq!(woken.load(SeqCst), 0, "it was low before");
        lines.dtr(false);
        lines.dtr(false);
        assert_eq!(woken.load(SeqCst), 1);
        assert!(carrier.guest_hung_up());
        assert!(!carrier.guest_hung_up(), "once");
        for _ in 0..3 {
            lines.break_out(true);
            lines.break_out(true);
            lines.break_out(false);
        }
        assert_eq!(woken.load(SeqCst), 4);
        assert_eq!((carrier.guest_breaks(), carrier.guest_breaks()), (3, 0));
    }

    #[test]
    fn without_a_port_nobody_listens() {
        let (carrier, lines, announced, _) = lines();
        drop(lines);
        assert!(!carrier.hang_up());
        assert_eq!(announced.load(SeqCst), 0);
    }
}
