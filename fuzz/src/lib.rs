//! The fuzz targets as a library, with which embedders can fuzz the port in their own VMM.
//!
//! An [`Operation`] is one action of a guest or a host on a port. A fuzzer makes a `Vec` of them from its bytes.
//! A [`Harness`] runs them on a [`Target`], and panics if the port breaks one of its promises. A [`vuart::SerialPort`] is a
//! target. A dozen lines make a target of a VMM's bus with a port on it:
//!
//! ```
//! use vuart_fuzz::{Harness, Operation, Target};
//!
//! struct Bus {
//!     port: vuart::SerialPort<vuart_fuzz::Irq>,
//! }
//!
//! impl Target for Bus {
//!     fn read(&mut self, offset: u64, data: &mut [u8]) {
//!         self.port.read(offset, data); // through your exit handler
//!     }
//!     fn write(&mut self, offset: u64, data: &[u8]) {
//!         self.port.write(offset, data);
//!     }
//!     fn console(&self) -> &vuart::endpoint::Console {
//!         self.port.console()
//!     }
//!     fn interrupts(&self) -> u64 {
//!         self.port.counters().interrupts
//!     }
//! }
//!
//! let bus = Bus { port: vuart::SerialPort::new(vuart_fuzz::Irq) };
//! let mut harness = Harness::new(bus);
//! harness.run(&Operation::Write { offset: 0, data: b"A".to_vec() });
//! harness.finish();
//! ```
//!
//! [`registers`] has operations of its own, for a UART without a console behind it. [`ring_file`] makes files that may or may not hold a
//! console's ring.

mod port;
pub mod registers;
pub mod ring_file;
mod state;
mod wire;

pub use port::{Harness, Irq, Operation, Target};
pub use state::check_state;
pub use wire::check_stream;
