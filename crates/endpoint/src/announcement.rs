//! Announcements: the console interrupts the guest.
//!
//! Input and hang-ups become due under the console's lock, and a trigger is the embedder's code, which may use the console. So what
//! happens under the lock only notes that an announcement is due. The thread that has noted it makes it, as soon as it has released
//! the lock ([`ConsoleCore::change`](crate::console_core::ConsoleCore::change)).
//!
//! # Why no announcement is lost, and none does harm
//!
//! The note is set and taken within one hold of the lock, by one thread. So each note leads to one announcement, and that thread makes
//! it. What is announced was there before the note: the input is published, and the [count of changes](crate::Input::changes) is
//! higher. So a guest that is interrupted finds it, as it would if the thread had announced it under the lock.
//!
//! Another thread may come in between, and discard the input in a take-over. Then the guest is interrupted and finds nothing. That
//! happened before as well, when the take-over came right after the announcement. The port expects it: an announcement is for a
//! request ([`Input::want`](crate::Input::want)) and not for a symbol, and the guest asks again when it looks.

use std::fmt;
use std::sync::Arc;

use crate::bell::Bell;
use crate::sync::AtomicBool;
use crate::sync::Ordering::Relaxed;

/// The guest's interrupt, and the note that it is due.
pub(crate) struct Announcement {
    due: Arc<AtomicBool>,
    interrupt: Bell,
}

impl Announcement {
    pub(crate) fn new(interrupt: Bell) -> Self {
        Self { due: Arc::new(AtomicBool::new(false)), interrupt }
    }

    /// Returns a bell that notes that an announcement is due. It is rung under the console's lock.
    pub(crate) fn note(&self) -> Bell {
        let due = Arc::clone(&self.due);
        // Relaxed, here and below: the lock orders them.
        Box::new(move || due.store(true, Relaxed))
    }

    /// Takes the note, under the console's lock. If it returns `true`, the caller must [make](Self::make) the announcement.
    #[must_use = "the guest is to be interrupted"]
    pub(crate) fn take_note(&self) -> bool {
        let due = self.due.load(Relaxed);
        self.due.store(false, Relaxed);
        due
    }

    /// Interrupts the guest, without the console's lock.
    pub(crate) fn make(&self) {
        (self.interrupt)();
    }
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement").field("due", &self.due).finish_non_exhaustive()
    }
}
