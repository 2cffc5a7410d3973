//! The machine that is a virtual machine.

mod coalesced;
mod kick;
mod system;
mod ticks;
mod vm;

pub(crate) use kick::kick;
pub(crate) use system::probe;
pub(crate) use vm::Vm;
