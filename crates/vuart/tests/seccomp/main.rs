//! A console under filters of exactly the rules that are published. Each test runs in a process of its own, in which a refused call is
//! fatal.

mod audit;
mod coalesced;
mod local;
mod served;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod vmm;
