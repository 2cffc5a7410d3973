//! Fuzzes a port: any operations of a guest and of the people at its console.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart::{Options, SerialPort};
use vuart_fuzz::{Harness, Irq, Operation};

/// The most operations of a run. A longer sequence finds nothing more.
const OPERATIONS_MAX: usize = 256;

fuzz_target!(|operations: Vec<Operation>| {
    // The smallest ring, so that readers are lapped often.
    let options = Options::default().with_scrollback(4096);
    let port = SerialPort::with_options(Irq, options).expect("a file descriptor and 4 KiB");
    let mut harness = Harness::new(port);
    for operation in operations.iter().take(OPERATIONS_MAX) {
        harness.run(operation);
    }
    harness.finish();
});
