//! An interrupt that a driver sleeps for.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use vm_superio::Trigger;

/// An 8259 in edge mode: a latch. A lost interrupt is a test that fails.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pic(Arc<(Mutex<bool>, Condvar)>);

impl Trigger for Pic {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_one();
        Ok(())
    }
}

impl Pic {
    /// Sleeps until the next interrupt.
    pub(crate) fn halt(&self) {
        let latched = self.0.0.lock().unwrap();
        let (mut latched, timeout) =
            self.0.1.wait_timeout_while(latched, Duration::from_secs(60), |latched| !*latched).unwrap();
        assert!(!timeout.timed_out(), "an interrupt was lost");
        *latched = false;
    }
}
