//! A small virtual machine with a serial port, and a guest for it: the model of how a VMM embeds `vuart`.
//!
//! The machine has one processor, one 16550A at COM1 (0x3F8, IRQ 4), and a guest that offers a small command line on its serial port (`help`,
//! `echo`, `print`, `uptime`, `regs`, `halt`, `reboot`). The demo and the tests run it. A tour, in the order in which an embedder needs it:
//!
//! 1. `served.rs`: [`ServedMachine`] is the whole embedding. It makes the port, binds the sockets, starts the guest and the
//!    server, and shuts them down in order. Start here.
//! 2. `com1.rs`: [`Com1`] is what the machine requires of the device at COM1, and how a `vuart` port provides it.
//! 3. `ring.rs`: [`open_ring`] keeps a console's output in a file that outlives the VMM.
//! 4. `machine.rs`: [`Machine`] runs a guest on a thread, stops it, and reports how it ended.
//! 5. `irq.rs`: [`Irq`] is the interrupt line, from the device to the machine. `resampler.rs`: a level-triggered COM1, for VMMs whose
//!    ports are at a PCI function, an I/O APIC or a GIC.
//! 6. `board.rs`: the port I/O bus and its devices (`i8042.rs` and `acpi.rs` reset the machine or switch it off, `post.rs` reports
//!    why the guest gave up).
//! 7. `kvm/`: the machine with KVM. `vm.rs` handles the exits; `reset.rs` lets a guest that was reset boot again; `coalesced.rs`
//!    lets KVM collect output; `kick.rs` gets a vCPU out of the guest.
//! 8. `software/`: a thread that runs the same monitor where KVM can't be used, over the same bus and with the same output.
//! 9. `guest.S`, `print.S`: the guests' machine code. `guest.S` is written to be read as a good UART driver.
//!
//! A machine without a served console, with a port of its own:
//!
//! ```no_run
//! use std::sync::Arc;
//! use vuart::{SerialPort, SharedPort};
//! use vuart_vmm::{Device, Irq, Machine, choose};
//!
//! let irq = Irq::new()?;
//! let port = SerialPort::new(irq.clone());
//! let com1: Device = Arc::new(SharedPort::new(port));
//!
//! let choice = choose(None)?;
//! eprintln!("{}: {}", choice.engine, choice.why);
//! let machine = Machine::start(choice.engine, com1, irq)?;
//! let exit = machine.join()?; // until the guest halts
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acpi;
mod board;
mod com1;
mod counters;
mod engine;
mod error;
#[cfg(target_arch = "x86_64")]
mod guest;
mod i8042;
mod irq;
#[cfg(target_arch = "x86_64")]
mod kvm;
mod machine;
mod post;
mod printed;
mod program;
mod resampler;
mod ring;
mod served;
mod software;
mod stop;

pub use com1::{Com1, Device, Plain};
pub use counters::Counters;
pub use engine::{Choice, Engine, choose};
pub use error::{Error, UartTest};
pub use irq::Irq;
pub use machine::{Machine, MachineOptions};
pub use printed::{PRINTED_LINE, printed_bytes, printed_line};
pub use program::{Burst, Exit, Program};
pub use resampler::Resampler;
pub use ring::{RingError, open_ring};
pub use served::{BootError, ServedMachine};

/// Compiles the example in `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
