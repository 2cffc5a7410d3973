//! The UARTs of the tests of rules.

#![allow(dead_code, reason = "each test program uses its part of it")]

use vuart_16550::spec::offset::*;
use vuart_16550::{Config, Uart};

/// More reads than any receiver of a 16550A has characters. A drain that takes more reads never ends.
pub(crate) const READS_MAX: usize = 20;

pub(crate) fn uart() -> Uart {
    Uart::new(Config::default())
}

/// Makes a UART with the FIFOs on and trigger level 1.
pub(crate) fn with_fifo() -> Uart {
    let mut uart = uart();
    uart.write(FCR, 0x01);
    uart
}

pub(crate) fn drain(uart: &mut Uart) -> Vec<u8> {
    let mut read = Vec::new();
    while uart.read(LSR) & 0x01 != 0 {
        read.push(uart.read(RBR));
        assert!(read.len() <= READS_MAX, "DR never falls");
    }
    read
}
