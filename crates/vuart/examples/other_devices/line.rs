//! Stand-ins for the VMM's interrupts.

use std::sync::{Condvar, Mutex, PoisonError};

/// An interrupt line that is triggered by its level, as an SPI of a GIC is. A VMM with KVM calls `KVM_IRQ_LINE`.
#[derive(Debug, Default)]
pub(crate) struct Line {
    level: Mutex<bool>,
    rises: Condvar,
}

impl Line {
    /// Drives the line, from any thread.
    pub(crate) fn set(&self, level: bool) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
        self.rises.notify_all();
    }

    /// Halts the vCPU until the line is high.
    pub(crate) fn wait(&self) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        while !*level {
            level = self.rises.wait(level).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
