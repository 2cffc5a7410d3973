//! Fuzzing of the registers beside their model.
//!
//! The port's fuzz target drives a whole console. This one drives only the registers, with all profiles and both kinds of
//! time. It compares each value read, each character sent and each signal with those of `vuart-model`.
//!
//! An embedder with a UART of its own implements [`Device`] for it, and gives it to a [`Comparison`] together with operations that its
//! fuzzer makes. (For a VMM's port, which has a queue behind the receiver, use [`crate::Target`].)
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

// The tests and the fuzz targets share this file. They are in different workspaces.
#[path = "../../tests/src/device.rs"]
mod device;

pub use device::{Passing, Registers, config};
pub use vuart_model::{Comparison, Device, Difference, Mode, Model, Operation, Profile, Setup};

use vuart_16550::Uart;

/// Runs operations on the registers and on their model.
///
/// # Panics
///
/// If the two differ.
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
