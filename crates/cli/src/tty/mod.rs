//! The user's terminal as a device: raw mode, the screen, and the thread that writes to it.
//!
//! * [`raw_mode`]: makes the terminal on standard input raw, and restores it in every case.
//! * [`screen`]: writes to the terminal on standard output, and turns off at the end what the guest has left on.
//! * [`outlet`]: standard output, in the form that is safe there.
//! * [`printer`]: a thread that writes output and notes in one order, so that a slow terminal does not block the session.
//!
//! The module `terminal` decides what is written. Signals are in the module `signals`.

pub(crate) mod outlet;
pub(crate) mod printer;
pub(crate) mod raw_mode;
pub(crate) mod screen;
