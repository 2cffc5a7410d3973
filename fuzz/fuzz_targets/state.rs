//! Fuzzes the restoring of snapshots of a port and of a UART: any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vuart_fuzz::check_state(bytes));
