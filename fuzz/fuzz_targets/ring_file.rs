//! Fuzzes the file of a console's ring: any content.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vuart_fuzz::ring_file::{RingFile, check};

fuzz_target!(|file: RingFile| check(&file));
