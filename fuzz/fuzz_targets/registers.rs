//! Anything that a guest, a host and time can do to the registers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart_fuzz::registers::{Operation, Setup, check};

/// Keeps one run short: filling 64 bytes is one operation.
const OPERATIONS_MAX: usize = 256;

fuzz_target!(|input: (Setup, Vec<Operation>)| {
    let (setup, operations) = input;
    check(setup, operations.iter().take(OPERATIONS_MAX));
});
