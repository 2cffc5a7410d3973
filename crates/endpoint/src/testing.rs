//! What the unit tests and the models share.

use std::sync::Arc;

#[cfg(loom)]
use vuart_explore::Latch;

use crate::bell::Bell;
use crate::sync::AtomicU64;
use crate::sync::Ordering::SeqCst;

/// The number of times that a bell has rung.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rings(Arc<AtomicU64>);

impl Rings {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// Returns a bell that counts its rings.
pub(crate) fn counting_bell() -> (Bell, Rings) {
    let rings = Rings::default();
    let bell = rings.clone();
    let bell = move || {
        bell.0.fetch_add(1, SeqCst);
    };
    (Box::new(bell), rings)
}

/// Returns a bell that rings a latch, on which a model's thread can wait.
#[cfg(loom)]
pub(crate) fn latch_bell() -> (Arc<Latch>, Bell) {
    let latch = Arc::<Latch>::default();
    let bell = Arc::clone(&latch);
    (latch, Box::new(move || bell.ring()))
}

/// Returns a bell that does nothing.
pub(crate) fn silent_bell() -> Bell {
    Box::new(|| ())
}
