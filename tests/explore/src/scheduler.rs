//! Models under `loom`.
//!
//! Each model says how many executions it must have at least. `loom` 0.7 explores nothing, and passes, when a thread of a model loads an
//! atomic before it stores to it (tokio-rs/loom#392). For the same reason a model makes rings and writers before it starts threads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::atomic::{Explorer, With};

/// Explores all executions of `model`, in which the words of `vuart-mapping` and `vuart-scrollback` are `std`'s: a console's model
/// has a ring in it, and is not about the ring.
///
/// # Panics
///
/// Panics if the model does, or if there are fewer than `at_least` executions.
pub fn explore(at_least: u64, model: impl Fn() + Send + Sync + 'static) {
    explore_within(None, at_least, model);
}

/// [`explore`] for a model that is too large: explores the executions in which no thread is preempted more than `preemptions` times.
///
/// # Panics
///
/// As [`explore`].
pub fn explore_within(
    preemptions: impl Into<Option<usize>>,
    at_least: u64,
    model: impl Fn() + Send + Sync + 'static,
) {
    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check({
        let executions = Arc::clone(&executions);
        move || {
            // Not `loom`'s: it takes no part in the model.
            executions.fetch_add(1, Relaxed);
            model();
        }
    });
    let executions = executions.load(Relaxed);
    println!("{executions} executions");
    assert!(executions >= at_least, "only {executions} executions of {at_least}: the model explores nothing");
}

/// [`explore`] for a model of the ring or the doorbell: the words of `vuart-mapping` and `vuart-scrollback` that are made in `model`
/// are `loom`'s, and their fences are.
///
/// # Panics
///
/// As [`explore`].
pub fn explore_words(at_least: u64, model: impl Fn() + Send + Sync + 'static) {
    explore_words_within(None, at_least, model);
}

/// [`explore_words`] with the bound of [`explore_within`].
///
/// # Panics
///
/// As [`explore`].
pub fn explore_words_within(
    preemptions: impl Into<Option<usize>>,
    at_least: u64,
    model: impl Fn() + Send + Sync + 'static,
) {
    // `loom` runs a model's threads on this thread, by turns.
    let _with = With::new(Explorer::Loom);
    explore_within(preemptions, at_least, model);
}
