//! KVM's coalesced I/O: the kernel collects what a guest writes to one port, so that not each byte is an exit.
//!
//! [`vuart::Coalesced`](https://docs.rs/vuart) uses it for a serial port. Use this crate itself for another device whose
//! guest writes many small values that nobody answers.
//!
//! * [`Zone`] is the port: where it is, and which accesses KVM collects there. [`Zone::open`] makes a [`Kvm`] of it.
//! * [`Kvm`] is what the kernel does: it registers the zone, unregisters it, and hands out what it has collected. [`Kernel`] is
//!   the same as a trait, so that a test needs no KVM.
//! * [`Collector`] belongs behind the device's lock. It drains before each access, and keeps the order that `collector.rs` proves.
//! * [`Ticker`] belongs in an event loop. It gets the last bytes out of the kernel when the guest makes no more accesses.
//!
//! It takes the file descriptors of the virtual machine and of a vCPU, and knows no crate that wraps them.
//!
//! # One a virtual machine
//!
//! KVM has one page a virtual machine for all zones. So one collector a virtual machine may have it, and [`Zone::open`] refuses another
//! ([`OpenError::Busy`]). A VMM that lets KVM collect another device's writes without this crate can't use it beside that: what is found
//! there of another zone is dropped.
//!
//! # System calls
//!
//! For seccomp filters, `vuart-seccomp` has them as data: `vcpu_coalescing()` for a vCPU's thread, `ticks()` for the thread that dispatches
//! the [`Ticker`] and the one that drops all, `setup()` for [`Zone::open`] and [`collector()`].
//!
//! # Unsafe code
//!
//! `sys.rs` has all of it: the system calls, and the page as a slice of atomic words.

#![deny(clippy::multiple_unsafe_ops_per_block)]

mod collector;
mod kernel;
#[cfg(test)]
mod model;
mod page;
mod sync;
mod sys;
mod ticker;

pub use collector::{Change, Collector, Output, Policy, Ticked, collector};
pub use kernel::{Kernel, Kvm, OpenError, Zone};
pub use ticker::{PERIOD, Ticker};

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
