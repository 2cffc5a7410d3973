//! The machine that is a virtual machine.

mod kick;
mod system;
mod vm;

pub(crate) use kick::kick;
pub(crate) use system::probe;
pub(crate) use vm::Vm;
