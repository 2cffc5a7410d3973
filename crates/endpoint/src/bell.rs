//! Bells: callbacks by which one side wakes the other.

/// Wakes the other side. It must not block.
pub(crate) type Bell = Box<dyn Fn() + Send + Sync>;
