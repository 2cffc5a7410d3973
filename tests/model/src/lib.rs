//! A second opinion on the 16450, 16550A and 16750: slow, literal, and written without a look at `vuart-16550`.
//!
//! [`Model`] is the UART as the data sheets tell it, a function for a paragraph. It keeps what has happened and asks
//! that whenever something is read, where a device that has to be fast keeps flags. [`Comparison`] does each
//! [`Operation`] to a model and to a [`Device`], and says where they first differ: in a value read, in a character
//! that leaves or in its time, in the interrupt, in any line.
//!
//! Where drivers need another answer than the data sheet's, or the data sheet leaves a choice, the comment says so.
//!
//! Your own UART is a device with a dozen lines. (A whole port, with a queue of input behind its receiver, is what the
//! harness of `vuart-fuzz` is for.)
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
//!         self.uart.read(register) // by way of your exit handler
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
//!         self.uart = self.uart.clone(); // saved and restored
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
//! Where operations come from is up to you: [`Operation::from_bits`] takes random numbers; with the feature
//! `arbitrary`, a `Vec<Operation>` comes out of a fuzzer's bytes.

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
