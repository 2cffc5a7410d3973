//! Models without `loom`: repeated with real threads. Miri takes each scheduling decision, and the choice of the message that a load
//! returns, at random.

/// The runs of a model.
const RUNS: usize = 100;

/// Runs the model a hundred times. `_at_least` counts for `loom` alone.
pub fn explore(_at_least: u64, model: impl Fn() + Send + Sync + 'static) {
    for _ in 0..RUNS {
        model();
    }
}

/// [`explore`]: the bound is for `loom` alone.
pub fn explore_within(
    _preemptions: impl Into<Option<usize>>,
    at_least: u64,
    model: impl Fn() + Send + Sync + 'static,
) {
    explore(at_least, model);
}

/// [`explore`]: all atomics are `std`'s.
pub fn explore_words(at_least: u64, model: impl Fn() + Send + Sync + 'static) {
    explore(at_least, model);
}

/// [`explore`]: all atomics are `std`'s, and the bound is for `loom` alone.
pub fn explore_words_within(
    _preemptions: impl Into<Option<usize>>,
    at_least: u64,
    model: impl Fn() + Send + Sync + 'static,
) {
    explore(at_least, model);
}
