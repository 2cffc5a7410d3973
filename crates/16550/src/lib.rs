//! The register machine of a 16450, 16550A or 16750 UART, as a guest sees it.
//!
//! The crate is sans-I/O: it has no thread, clock, file, lock or allocation. The same state and the same access give the
//! same answer. A virtual machine monitor passes in the guest's register accesses and the host's characters. Characters that
//! leave the UART come back as return values. Each line that the UART drives (interrupt, modem outputs, break) is a level
//! that is a pure function of the state. Read these levels after an access.
//!
//! There are two kinds of time:
//!
//! * [`Instant`] is for virtual machines. A character that the guest writes to THR leaves before the write returns.
//! * [`Timed`] is for tests of drivers. Characters take the time that divisor and frame give, in virtual nanoseconds that the
//!   caller counts.
//!
//! The state of a UART is data that can be saved and restored ([`UartState`]). The feature `serde` makes it serialisable in
//! any format.
//!
//! Each rule comes from the PC16550D data sheet, from TI's TL16C750 data sheet for the 16750, or from drivers in use. Where a
//! driver contradicts a data sheet, the driver wins and a comment says so. Numbers such as R3 and S12 are rows of
//! [the rules](https://docs.rs/vuart/latest/vuart/rules/index.html).
//!
//! ```
//! use vuart_16550::{Config, Uart, spec::offset};
//!
//! let mut uart = Uart::new(Config::default());
//! assert_eq!(uart.write(offset::THR, b'A'), Some(b'A')); // the character has left
//! assert_eq!(uart.read(offset::LSR), 0x60); // THRE | TEMT
//!
//! uart.write(offset::IER, 0x01); // enables "received data available"
//! assert!(!uart.interrupt());
//! uart.receive(b'x');
//! assert!(uart.interrupt());
//! assert_eq!(uart.read(offset::RBR), b'x');
//! assert!(!uart.interrupt());
//! ```
//!
//! # The files
//!
//! Each file is one concept, and imports only files above it:
//!
//! | file | concept |
//! |---|---|
//! | [`spec`] | the registers and their bits |
//! | `fifo`, `config` | a FIFO; the board's settings |
//! | `modem`, `receiver`, `state` | the modem inputs; the receiver; the format of a saved state |
//! | `registers` | the state that both kinds of time share |
//! | `frame`, `time` | the time of a character; the trait of the two kinds of time, and instant time |
//! | `uart`, `timed` | the UART; virtual time |
//! | `access`, `host` | the guest's side; the host's side |
//! | `advance`, `timed_state`, `restore` | the passing of virtual time; saving and restoring |

#![no_std]
#![forbid(unsafe_code)]

mod access;
mod advance;
mod config;
mod fifo;
mod frame;
mod host;
mod modem;
mod receiver;
mod registers;
mod restore;
pub mod spec;
mod state;
mod time;
mod timed;
mod timed_state;
mod uart;

pub use config::{Config, Profile};
pub use fifo::{FIFO_SIZE, FIFO_SIZE_MAX};
pub use state::{
    CharacterState, CharacterTimeoutV1, Characters, RestoreError, ThreV1, TimedStateV1, UartState,
    UartStateV1,
};
pub use time::{Instant, Time};
pub use timed::Timed;
pub use uart::Uart;

// The README's examples run as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
