//! Detection of a 16550A.

use super::registers::{
    FCR_CLEAR, FCR_ENABLE, FIFO, LCR_8N1, LCR_DLAB, LSR_DR, LSR_TEMT, LSR_THRE, MCR_LOOP, MCR_TEST, MSR_TEST,
    Register, Uart,
};
use crate::UartTest;

/// How often to look for a bit before giving up.
const PATIENCE: u32 = 0x1_0000;

/// Makes the tests in order, and returns the first that fails.
///
/// It leaves the UART in loopback with all interrupts off, where the driver's set-up continues.
pub(super) fn detect(uart: &Uart<'_>) -> Result<(), UartTest> {
    // Only the low four bits of IER exist, and they hold what is written. An absent port reads 0xff everywhere and fails
    // here.
    let ier = |value| {
        uart.write(Register::IerDlm, value);
        uart.read(Register::IerDlm) & 0x0f
    };
    require(ier(0x00) == 0x00 && ier(0x0f) == 0x0f, UartTest::InterruptEnable)?;
    uart.write(Register::IerDlm, 0x00);

    // The scratch register holds any value (an 8250 has no such register). Its former value is restored.
    let before = uart.read(Register::Scr);
    let holds = |value| {
        uart.write(Register::Scr, value);
        uart.read(Register::Scr) == value
    };
    require(holds(0x5a) && holds(0xa5), UartTest::Scratch)?;
    uart.write(Register::Scr, before);

    // In loopback the modem outputs are connected to the modem inputs.
    uart.write(Register::Mcr, MCR_TEST);
    require(uart.read(Register::Msr) & 0xf0 == MSR_TEST, UartTest::Loopback)?;

    // With FIFOs off, bits 5:3 of IIR are 0. With FIFOs on, bits 7:6 are 11; a 16550 without A has 10.
    uart.write(Register::IirFcr, 0x00);
    require(uart.read(Register::IirFcr) & 0x38 == 0, UartTest::Identification)?;
    uart.write(Register::IirFcr, FCR_ENABLE);
    require(uart.read(Register::IirFcr) & 0xc0 == 0xc0, UartTest::Fifo)?;

    require(receives_exactly_one_fifo(uart), UartTest::Depth)
}

/// Sends the receiver more than it holds, in loopback, and checks that it holds the first 16 characters in order. An overrun
/// loses the newest character, never one in the FIFO.
fn receives_exactly_one_fifo(uart: &Uart<'_>) -> bool {
    // Divisor 1, so that a UART with a real shift register needs 87 microseconds a character.
    uart.write(Register::Lcr, LCR_DLAB);
    uart.write(Register::RbrThrDll, 1);
    uart.write(Register::IerDlm, 0);
    uart.write(Register::Lcr, LCR_8N1);
    uart.write(Register::Mcr, MCR_LOOP);
    uart.write(Register::IirFcr, FCR_CLEAR);

    let sent = (0..FIFO + 4).all(|character| {
        let ready = wait_lsr(uart, LSR_THRE);
        if ready {
            uart.write(Register::RbrThrDll, character);
        }
        ready
    });
    if !sent || !wait_lsr(uart, LSR_TEMT) {
        return false;
    }
    for expected in 0..FIFO {
        if uart.read(Register::Lsr) & LSR_DR == 0 || uart.read(Register::RbrThrDll) != expected {
            return false;
        }
    }
    uart.read(Register::Lsr) & LSR_DR == 0
}

fn wait_lsr(uart: &Uart<'_>, bit: u8) -> bool {
    (0..PATIENCE).any(|_| uart.read(Register::Lsr) & bit != 0)
}

fn require(passed: bool, test: UartTest) -> Result<(), UartTest> {
    if passed { Ok(()) } else { Err(test) }
}
