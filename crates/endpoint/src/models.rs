//! What the models under `loom` share.
//!
//! Each model counts its executions and demands a minimum, so that one that explores nothing fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed as Plain};

use loom::sync::{Condvar, Mutex};

use crate::bell::Bell;

/// An interrupt latch or an eventfd: once rung, it stays so until a thread has waited for it.
#[derive(Default)]
pub(crate) struct Latch {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Latch {
    pub(crate) fn with_bell() -> (Arc<Self>, Bell) {
        let latch = Arc::new(Self::default());
        let bell = Arc::clone(&latch);
        (latch, Box::new(move || bell.ring()))
    }

    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.rings.notify_one();
    }

    /// Waits until it rings. If it never does, loom reports a deadlock.
    pub(crate) fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.rings.wait(rung).unwrap();
        }
        *rung = false;
    }
}

pub(crate) fn explore(at_least: usize, model: impl Fn() + Send + Sync + 'static) {
    explore_within(None, at_least, model);
}

/// Explores a model with a bound on preemptions, for one that has too many executions without.
pub(crate) fn explore_within(
    preemptions: Option<usize>,
    at_least: usize,
    model: impl Fn() + Send + Sync + 'static,
) {
    static EXECUTIONS: Count = Count::new(0);
    // Not loom's atomic: it counts executions, and takes no part in them. Tests of one process may run at the same time, so the count
    // may be too high, but never too low.
    let before = EXECUTIONS.load(Plain);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        EXECUTIONS.fetch_add(1, Plain);
        model();
    });
    let explored = EXECUTIONS.load(Plain) - before;
    println!("{explored} executions");
    assert!(explored >= at_least, "only {explored} executions: the model explores nothing");
}
