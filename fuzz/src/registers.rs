//! The comparison of the registers with their model.
//!
//! The fuzz target of the port drives a whole console. This one drives only the registers, in every profile and in both kinds of
//! time. It compares every value read, every character that leaves and every line with those of `vuart-model`.
//!
//! To fuzz your own UART, implement [`Device`] for it and pass it to a [`Comparison`], with operations from your fuzzer's bytes.
//! (A VMM's port, with an input queue behind the receiver, implements [`crate::Target`] instead.)
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

// The tests and the fuzz targets are in different workspaces and share one implementation.
#[path = "../../tests/src/device.rs"]
mod device;

pub use device::{Passing, Registers, config};
pub use vuart_model::{Comparison, Device, Difference, Mode, Model, Operation, Profile, Setup};

use vuart_16550::Uart;

/// Applies operations to the registers and to the model.
///
/// # Panics
///
/// Panics if they differ.
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
