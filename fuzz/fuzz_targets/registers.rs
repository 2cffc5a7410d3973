//! Fuzzes the registers: any accesses of a guest, any actions of a host, and any passing of time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart_fuzz::registers::{Operation, Setup, check};

/// The most operations of a run. They are enough to fill any FIFO, because filling 64 bytes is one operation.
const OPERATIONS_MAX: usize = 256;

fuzz_target!(|input: (Setup, Vec<Operation>)| {
    let (setup, operations) = input;
    check(setup, operations.iter().take(OPERATIONS_MAX));
});
