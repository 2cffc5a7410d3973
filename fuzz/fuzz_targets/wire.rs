//! Fuzzes the wire protocol: any bytes from a client to a server, or from a server to a client.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vuart_fuzz::check_stream(bytes));
