//! The machine with KVM.
//!
//! * [`system`] opens `/dev/kvm` and checks that it has what the machine needs.
//! * [`boot`] has the vCPU, with the bus that its port accesses reach, and loads the guest.
//! * [`vm`] is the loop: run the guest, handle the exit.
//! * [`coalesced`] lets KVM collect output, so that not each byte is an exit; [`ticks`] is its timer.
//! * [`reset`] puts the machine back to where it was before the guest ran.
//! * [`kick`](mod@kick) gets a vCPU out of the guest.

mod boot;
mod coalesced;
mod kick;
mod reset;
mod system;
mod ticks;
mod vm;

pub(crate) use kick::kick;
pub(crate) use system::probe;
pub(crate) use vm::{Com1Input, Vm};
