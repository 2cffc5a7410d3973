//! The program that prints, as in `print.S`.

use super::registers::{FCR_CLEAR, FIFO, LCR_8N1, LSR_TEMT, LSR_THRE, MCR_PRINT, Register, Uart};
use crate::printed::printed_bytes;
use crate::program::Burst;
use crate::stop::Stop;

/// Prints. Returns `false` if it is stopped.
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

/// Waits until LSR has a bit. Returns `false` if it is stopped.
fn wait(uart: &Uart<'_>, stop: &Stop, bit: u8) -> bool {
    loop {
        // Checked each time, because a broken device may never set the bit.
        if stop.is_requested() {
            return false;
        }
        if uart.read(Register::Lsr) & bit != 0 {
            return true;
        }
    }
}
