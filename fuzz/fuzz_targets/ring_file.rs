//! Anything that a file can hold that claims to be a console's ring.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart_fuzz::ring_file::{RingFile, check};

fuzz_target!(|file: RingFile| check(&file));
