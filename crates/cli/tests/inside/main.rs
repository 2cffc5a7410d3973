//! The command's modules `terminal` and `tty`, without the command: which text passes the filter, which modes count as left
//! on, which escapes a person can type, and a panic.

mod escape;
mod filter;
mod modes;
mod panic;
#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the command uses the rest")]
#[path = "../../src/terminal/mod.rs"]
mod terminal;
#[allow(dead_code, reason = "the command uses the rest")]
#[path = "../../src/tty/mod.rs"]
mod tty;
