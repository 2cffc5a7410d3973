//! Restores any bytes as the snapshot of a port and of a UART.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vuart_fuzz::check_state(bytes));
