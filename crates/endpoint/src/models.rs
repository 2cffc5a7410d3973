//! What the models under `loom` share.
//!
//! Each model counts its executions and demands a minimum, so that one that explores nothing fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed as Plain};

use loom::sync::{Condvar, Mutex};

use crate::input::Bell;

/// What a bell rings: an interrupt latch or an eventfd. Rung, it stays so until somebody has waited for it.
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

    /// For ever is a deadlock, which loom reports.
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

/// What is too much to be explored without a bound on how often a thread is taken off at a moment of the model's choosing.
pub(crate) fn explore_within(
    preemptions: Option<usize>,
    at_least: usize,
    model: impl Fn() + Send + Sync + 'static,
) {
    static EXECUTIONS: Count = Count::new(0);
    // Not loom's: this counts executions, and takes no part in them. Tests of one process may run beside one another, so
    // the count may be too high, never too low by what another model added before.
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
