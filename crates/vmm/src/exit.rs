//! How a guest ends.

/// How the guest ended, if nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The guest halted the machine.
    Halted,
    /// [`Machine::stop`](crate::Machine::stop) was called.
    Stopped,
}
