//! The program that prints, as `print.S` has it.

use super::registers::{FCR_CLEAR, FIFO, LCR_8N1, LSR_TEMT, LSR_THRE, MCR_PRINT, Register, Uart};
use crate::program::{Burst, printed_bytes};
use crate::stop::Stop;

/// Prints, unless it is stopped: then false.
pub(super) fn run(uart: &Uart<'_>, stop: &Stop, bytes: u32, burst: Burst) -> bool {
    uart.write(Register::IerDlm, 0);
    uart.write(Register::Lcr, LCR_8N1);
    uart.write(Register::IirFcr, FCR_CLEAR);
    uart.write(Register::Mcr, MCR_PRINT);
    for characters in printed_bytes(bytes).chunks(FIFO.into()) {
        if !wait(uart, stop, LSR_THRE) {
            return false;
        }
        match burst {
            Burst::Bytes => {
                for character in characters {
                    uart.write(Register::RbrThrDll, *character);
                }
            }
            Burst::String => uart.write_string(Register::RbrThrDll, characters),
        }
    }
    wait(uart, stop, LSR_TEMT)
}

/// Waits until LSR has a bit; false if it is stopped.
fn wait(uart: &Uart<'_>, stop: &Stop, bit: u8) -> bool {
    loop {
        // Each time: a broken device never comes to an end.
        if stop.is_requested() {
            return false;
        }
        if uart.read(Register::Lsr) & bit != 0 {
            return true;
        }
    }
}
