//! The registers beside their model.
//!
//! What drives the port drives a whole console; this drives the registers alone, all profiles of them, in both kinds of
//! time, and compares every value read, every character that leaves and every line with `vuart-model`'s. An embedder with
//! a UART of its own makes it a [`Device`], and gives it to a [`Comparison`] with the operations out of its own fuzzer's
//! bytes. (A VMM's port, with a queue behind the receiver, is a [`crate::Target`].)
//!
//! ```
//! use vuart_fuzz::registers::{Comparison, Operation, Registers, Setup, config};
//! use vuart_16550::Uart;
//!
//! fn fuzz(operations: &[Operation]) {
//!     for setup in Setup::all().filter(|setup| setup.mode == vuart_fuzz::registers::Mode::Instant) {
//!         let device = Registers(Uart::new(config(setup))); // yours
//!         let mut comparison = Comparison::new(setup, device);
//!         operations.iter().for_each(|operation| comparison.run(operation));
//!     }
//! }
//! # fuzz(&[Operation::Write { register: 0, value: b'A' }, Operation::Restart, Operation::Drain]);
//! ```

// One implementation for the tests and for the targets, which are in workspaces of their own.
#[path = "../../tests/src/device.rs"]
mod device;

pub use device::{Passing, Registers, config};
pub use vuart_model::{Comparison, Device, Difference, Mode, Model, Operation, Profile, Setup};

use vuart_16550::Uart;

/// Does operations to the registers beside a model.
///
/// # Panics
///
/// When they differ.
pub fn check<'a>(setup: Setup, operations: impl IntoIterator<Item = &'a Operation>) {
    match setup.mode {
        Mode::Instant => run(setup, Registers(Uart::new(config(setup))), operations),
        Mode::Timed => run(setup, Registers(Uart::timed(config(setup))), operations),
    }
}

fn run<'a>(setup: Setup, device: impl Device, operations: impl IntoIterator<Item = &'a Operation>) {
    let mut comparison = Comparison::new(setup, device);
    operations.into_iter().for_each(|operation| comparison.run(operation));
}
