//! What the fuzz targets do, as a library: embedders fuzz their own VMM's port with it.
//!
//! [`Operation`] is one thing that a guest or a host does to a port, and a `Vec` of them comes out of a fuzzer's bytes.
//! [`Harness`] does them to a [`Target`] and panics when one of the port's promises is broken. A [`vuart::SerialPort`] is a
//! target; so is, with a dozen lines, a VMM's whole bus with a port on it:
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
//!         self.port.read(offset, data); // by way of your exit handler
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
//! let bus = Bus { port: vuart::SerialPort::new(vuart_fuzz::Irq)? };
//! let mut harness = Harness::new(bus);
//! harness.run(&Operation::Write { offset: 0, data: b"A".to_vec() });
//! harness.finish();
//! # Ok::<(), vuart::NewPortError>(())
//! ```
//!
//! [`registers`] has operations of its own, for a UART without a console behind it; [`ring_file`] is what a file may hold that
//! claims to be a console's ring.

mod port;
pub mod registers;
pub mod ring_file;
mod state;
mod wire;

pub use port::{Harness, Irq, Operation, Target};
pub use state::check_state;
pub use wire::check_stream;
