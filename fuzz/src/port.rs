//! Fuzzing a port.

mod driver;
mod harness;
mod operation;
mod receiver;
mod registers;
mod target;

pub use harness::Harness;
pub use operation::Operation;
pub use target::{Irq, Target};
