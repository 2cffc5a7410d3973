//! A small virtual machine with a serial port, and a guest for it that is worth a console.
//!
//! The machine is what the demo and the tests of `vuart` run: one processor, one 16550A at COM1 (0x3F8, IRQ 4), and a
//! guest that drives it as a good driver does and offers a monitor on it (`help`, `echo`, `print`, `uptime`, `regs`,
//! `halt`). It is written to be read as the model of how a VMM embeds a serial port: the machine knows it only as a
//! [`vm_device::DevicePio`] on its bus and an event for the interrupt. [`ServedMachine`] puts a `vuart` port there and serves
//! its console; [`open_ring`] keeps what the console has shown in a file that outlives the VMM.
//!
//! There are two [engines](Engine). With KVM the guest is machine code in a real virtual machine. Where KVM can't be
//! used, the same monitor runs as a thread that drives the same registers over the same bus. Their consoles show the
//! same bytes.
//!
//! ```no_run
//! use std::sync::{Arc, Mutex};
//! use vm_device::DevicePio;
//! use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
//! use vuart::{IrqFd, SerialPort};
//! use vuart_vmm::{Machine, choose};
//!
//! let irq = EventFd::new(EFD_NONBLOCK)?;
//! let port = SerialPort::new(IrqFd(irq.try_clone()?))?;
//! let com1: Arc<dyn DevicePio + Send + Sync> = Arc::new(Mutex::new(port));
//!
//! let choice = choose(None)?;
//! eprintln!("{}: {}", choice.engine, choice.why);
//! let machine = Machine::start(choice.engine, com1, irq)?;
//! let exit = machine.join()?; // until the guest halts
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod board;
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
mod ring;
mod served;
mod software;
mod stop;

pub use engine::{Choice, Engine, choose};
pub use error::{Error, UartTest};
pub use machine::{Exit, Machine};
pub use printed::{PRINTED_LINE, printed_line};
pub use ring::{RingError, open_ring};
pub use served::{BootError, Device, ServedMachine};
