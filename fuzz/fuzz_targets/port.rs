//! Fuzzes a port: any operations of a guest and of the people at its console.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart::{PortBuilder, RingSize};
use vuart_fuzz::{Harness, Irq, Operation};

/// The most operations of a run. A longer sequence finds nothing more.
const OPERATIONS_MAX: usize = 256;

fuzz_target!(|operations: Vec<Operation>| {
    // The smallest ring, so that it is lapped often.
    let port = PortBuilder::new().with_scrollback(RingSize::of::<4096>()).build(Irq);
    let mut harness = Harness::new(port);
    for operation in operations.iter().take(OPERATIONS_MAX) {
        harness.run(operation);
    }
    harness.finish();
});
