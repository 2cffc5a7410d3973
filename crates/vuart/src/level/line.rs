//! A level-triggered input of an interrupt controller that is told when the line rises and when it falls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

use vm_superio::Trigger;

use super::InterruptLevel;
use crate::interrupt::Outcome;

/// The line to a controller in the VMM, which is told of each rise and each fall: a [`Trigger`], and a handle, cheap to clone.
///
/// Give a clone to the port, and [settle](Self::settle) the line after each access of the guest. The [module](super) shows that.
pub struct LevelLine<F>(Arc<Line<F>>);

struct Line<F> {
    set: F,
    /// The controller has been told that the line is high.
    asserted: AtomicBool,
}

impl<F, R> LevelLine<F>
where
    F: Fn(bool) -> R,
    R: Outcome,
{
    /// Makes a line that is low. `set` tells the controller the level: `true` is asserted. Like a [`Trigger`], it must not block, and must
    /// not access the port.
    pub fn new(set: F) -> Self {
        Self(Arc::new(Line { set, asserted: AtomicBool::new(false) }))
    }

    /// Tells the controller that the line has fallen, if it has. Call it after each access, on the vCPU's thread. If the line did not fall,
    /// it costs two loads.
    ///
    /// # Errors
    ///
    /// When `set` fails. The controller may then have the wrong level until the next change.
    pub fn settle(&self, level: &InterruptLevel) -> Result<(), R::Error> {
        // Acquire: pairs with the release in `trigger`. Who has told the controller of input had queued it before.
        if !self.0.asserted.load(Acquire) || level.is_high() {
            return Ok(());
        }
        // AcqRel: a rise that comes before this in the order of `asserted` is seen by the second look. One that comes later tells the
        // controller after this, and leaves `asserted` set.
        self.0.asserted.swap(false, AcqRel);
        (self.0.set)(false).into_result()?;
        // Another thread may have typed between the look and the fall.
        if level.is_high() { self.trigger() } else { Ok(()) }
    }
}

impl<F, R> Trigger for LevelLine<F>
where
    F: Fn(bool) -> R,
    R: Outcome,
{
    type E = R::Error;

    fn trigger(&self) -> Result<(), R::Error> {
        // Release: see `settle`.
        self.0.asserted.store(true, Release);
        (self.0.set)(true).into_result()
    }
}

impl<F> Clone for LevelLine<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for LevelLine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LevelLine").field("asserted", &self.0.asserted).finish_non_exhaustive()
    }
}
