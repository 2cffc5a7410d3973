//! A small virtual machine with a serial port, and a guest for it that is worth a console.
//!
//! The machine is what the demo and the tests of `vuart` run: one processor, one 16550A at COM1 (0x3F8, IRQ 4), and a
//! guest that drives it as a good driver does and offers a monitor on it (`help`, `echo`, `print`, `uptime`, `regs`,
//! `halt`). It is written to be read as the model of how a VMM embeds a serial port: the machine knows it only as a
//! [`vm_device::DevicePio`] on its bus, an event for the interrupt, and a word on whether output can wait ([`Com1`]), so that KVM
//! [collects](vuart::coalescing) what a guest that polls writes. [`ServedMachine`] puts a `vuart` port there and serves
//! its console; [`open_ring`] keeps what the console has shown in a file that outlives the VMM.
//!
//! There are two [engines](Engine). With KVM the guest is machine code in a real virtual machine. Where KVM can't be
//! used, the same monitor runs as a thread that drives the same registers over the same bus. Their consoles show the
//! same bytes.
//!
//! ```no_run
//! use std::sync::Arc;
//! use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
//! use vuart::{IrqFd, SerialPort, SharedPort};
//! use vuart_vmm::{Device, Machine, choose};
//!
//! let irq = EventFd::new(EFD_NONBLOCK)?;
//! let port = SerialPort::new(IrqFd(irq.try_clone()?))?;
//! let com1: Device = Arc::new(SharedPort::new(port));
//!
//! let choice = choose(None)?;
//! eprintln!("{}: {}", choice.engine, choice.why);
//! let machine = Machine::start(choice.engine, com1, irq)?;
//! let exit = machine.join()?; // until the guest halts
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod board;
mod com1;
mod counters;
mod engine;
mod error;
#[cfg(target_arch = "x86_64")]
mod guest;
mod i8042;
#[cfg(target_arch = "x86_64")]
mod kvm;
mod machine;
mod post;
mod printed;
mod program;
mod ring;
mod served;
mod software;
mod stop;

pub use com1::{Com1, Plain};
pub use counters::Counters;
pub use engine::{Choice, Engine, choose};
pub use error::{Error, UartTest};
pub use machine::{Exit, Machine, MachineOptions};
pub use printed::{PRINTED_LINE, printed_line};
pub use program::{Burst, Program, printed_bytes};
pub use ring::{RingError, open_ring};
pub use served::{BootError, Device, ServedMachine};
