//! An independent model of the 16450, 16550A and 16750. It is slow and literal, and its author did not look at
//! `vuart-16550`.
//!
//! [`Model`] is the UART as the data sheets describe it, with one function per paragraph. It keeps a history of what happened
//! and computes each answer from it, where a fast device keeps flags. [`Comparison`] applies each [`Operation`] to a model
//! and to a [`Device`], and reports the first difference: in a value read, in a character that leaves or in its time, in the
//! interrupt, or in a line.
//!
//! A comment says where drivers need another answer than the data sheet gives, and where the data sheet leaves a choice.
//!
//! Your own UART becomes a [`Device`] with a dozen lines. (For a whole port, with an input queue behind its receiver, use the
//! harness of `vuart-fuzz`.)
//!
//! ```
//! use vuart_model::{Comparison, Device, Mode, Model, Operation, Profile, Setup};
//!
//! struct Board {
//!     uart: Model, // yours
//! }
//!
//! impl Device for Board {
//!     fn read(&mut self, register: u8) -> u8 {
//!         self.uart.read(register) // call your exit handler here
//!     }
//!     fn write(&mut self, register: u8, value: u8) -> Option<u8> {
//!         self.uart.write(register, value)
//!     }
//!     fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool) {
//!         self.uart.receive(data, parity_error, framing_error);
//!     }
//!     fn receive_break(&mut self) {
//!         self.uart.receive_break();
//!     }
//!     fn set_modem_inputs(&mut self, inputs: u8) {
//!         self.uart.set_modem_inputs(inputs);
//!     }
//!     fn interrupt(&self) -> bool {
//!         self.uart.interrupt()
//!     }
//!     fn modem_outputs(&self) -> u8 {
//!         self.uart.modem_outputs()
//!     }
//!     fn break_out(&self) -> bool {
//!         self.uart.break_out()
//!     }
//!     fn restart(&mut self) {
//!         self.uart = self.uart.clone(); // save and restore yours here
//!     }
//! }
//!
//! let setup = Setup::new(Profile::Uart16550a, Mode::Instant);
//! let mut comparison = Comparison::new(setup, Board { uart: Model::new(setup) });
//! comparison.run(&Operation::Write { register: 0, value: b'A' });
//! comparison.run(&Operation::Restart);
//! comparison.run(&Operation::Read { register: 5 });
//! ```
//!
//! [`Operation::from_bits`] makes operations from random numbers. With the feature `arbitrary`, a fuzzer's bytes become a
//! `Vec<Operation>`.

#![forbid(unsafe_code)]

mod comparison;
mod device;
mod model;
mod operation;
mod register;
mod setup;

pub use comparison::{Comparison, Difference};
pub use device::Device;
pub use model::Model;
pub use operation::Operation;
pub use setup::{Mode, Profile, Setup};
