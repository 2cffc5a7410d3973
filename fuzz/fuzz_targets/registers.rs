//! Applies any sequence of guest, host and time operations to the registers and to their model.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart_fuzz::registers::{Operation, Setup, check};

/// The most operations of one run, to keep it short. Filling a FIFO is one operation.
const OPERATIONS_MAX: usize = 256;

fuzz_target!(|input: (Setup, Vec<Operation>)| {
    let (setup, operations) = input;
    check(setup, operations.iter().take(OPERATIONS_MAX));
});
