//! A model's interrupt or eventfd.

use crate::{Condvar, Mutex};

/// What a bell rings: it stays rung until a thread takes the ring.
///
/// (`loom`'s own `Notify` wakes for no reason, and forgets.)
#[derive(Debug, Default)]
pub struct Latch {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Latch {
    /// Rings. Does not block.
    ///
    /// # Panics
    ///
    /// Panics if another thread of the model has panicked in here.
    pub fn ring(&self) {
        *self.rung.lock().expect("no panic") = true;
        self.rings.notify_one();
    }

    /// Takes the ring. Returns whether there was one. Does not block.
    ///
    /// # Panics
    ///
    /// Panics if another thread of the model has panicked in here.
    pub fn take(&self) -> bool {
        std::mem::take(&mut *self.rung.lock().expect("no panic"))
    }

    /// Waits for a ring, and leaves it. A wait for ever is a deadlock, which `loom` reports.
    ///
    /// # Panics
    ///
    /// Panics if another thread of the model has panicked in here.
    pub fn wait_rung(&self) {
        let mut rung = self.rung.lock().expect("no panic");
        while !*rung {
            rung = self.rings.wait(rung).expect("no panic");
        }
    }

    /// Waits for a ring, and takes it. A wait for ever is a deadlock, which `loom` reports.
    ///
    /// # Panics
    ///
    /// Panics if another thread of the model has panicked in here.
    pub fn wait(&self) {
        let mut rung = self.rung.lock().expect("no panic");
        while !*rung {
            rung = self.rings.wait(rung).expect("no panic");
        }
        *rung = false;
    }
}
