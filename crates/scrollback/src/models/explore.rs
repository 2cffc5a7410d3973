//! How a model is run.
//!
//! Each model says how many executions it must have at least: `loom` 0.7 explores nothing, and passes, when a thread of a
//! model loads an atomic before it stores to it (tokio-rs/loom#392). Rings and writers are therefore made before threads
//! are spawned, too.

/// Explores all executions of `model` in which no thread is preempted more than `preemptions` times.
#[cfg(loom)]
pub(super) fn explore(preemptions: Option<usize>, least: u64, model: impl Fn() + Sync + Send + 'static) {
    use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed};

    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check({
        let executions = Arc::clone(&executions);
        move || {
            executions.fetch_add(1, Relaxed);
            model();
        }
    });
    let executions = executions.load(Relaxed);
    println!("{executions} executions");
    assert!(executions >= least, "{executions} executions");
}

/// Miri takes each scheduling decision, and the choice of the message that a load returns, at random.
#[cfg(not(loom))]
pub(super) fn explore(_: Option<usize>, _: u64, model: impl Fn()) {
    for _ in 0..100 {
        model();
    }
}
