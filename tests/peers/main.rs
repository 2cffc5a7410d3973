//! What the tests of other projects' serial devices and console servers assert, said in our words and asked of what a VMM embeds.
//!
//! `README.md` has the table: which test of which project, whether it passes here, and why not where it does not.

#![allow(clippy::missing_panics_doc, reason = "a test fails by a panic")]

mod bench;
mod cloud_hypervisor;
mod conserver;
mod crosvm;
mod firecracker;
mod libkrun;
mod obmc_console;
mod openvmm;
mod propolis;
mod qemu;
mod table;
mod vm_superio;
mod xen;
