//! The register machine of a 16550A, as a guest sees it; of a 16450 and a 16750 as well.
//!
//! Sans-I/O: no thread, clock, file, lock or allocation. The same state and the same access give the same answer. A
//! virtual machine monitor feeds it the guest's register accesses and the host's characters; what leaves the UART
//! comes back as a return value, and every line that it drives (interrupt, modem outputs, break) is a level that is a
//! pure function of the state, to be read after an access.
//!
//! There are two kinds of time. [`Instant`], for virtual machines: a character that the guest writes to THR has left before
//! the write returns. [`Timed`], for the tests of drivers: characters take as long as divisor and frame say, in virtual
//! nanoseconds that the caller counts.
//!
//! Its state is data that can be kept and restored ([`UartState`]); with the feature `serde`, in any format.
//!
//! The sources of each rule are the PC16550D data sheet, TI's TL16C750 data sheet for the 16750, and the drivers that people
//! run; where they differ, the drivers win and the comment says so. R3, S12 and the like are in `docs/rules.md`.
//!
//! ```
//! use vuart_16550::{Config, Uart, spec::offset};
//!
//! let mut uart = Uart::new(Config::default());
//! assert_eq!(uart.write(offset::THR, b'A'), Some(b'A')); // it has left
//! assert_eq!(uart.read(offset::LSR), 0x60); // THRE | TEMT
//!
//! uart.write(offset::IER, 0x01); // received data available
//! assert!(!uart.interrupt());
//! uart.receive(b'x');
//! assert!(uart.interrupt());
//! assert_eq!(uart.read(offset::RBR), b'x');
//! assert!(!uart.interrupt());
//! ```

#![no_std]
#![forbid(unsafe_code)]

mod config;
mod fifo;
mod modem;
mod receiver;
mod restore;
pub mod spec;
mod state;
mod time;
mod timed;
mod uart;

pub use config::{Config, Profile};
pub use fifo::FIFO_SIZE_MAX;
pub use restore::RestoreError;
pub use state::{
    CharacterState, CharacterTimeoutV1, Characters, ThreV1, TimedStateV1, UartState, UartStateV1,
};
pub use time::{Instant, Time};
pub use timed::Timed;
pub use uart::{FIFO_SIZE, Uart};
