//! Detection of a 16550A.

use vuart::uart::FIFO_SIZE;
use vuart::uart::spec::{Fcr, IIR_FIFOS_ENABLED, Lsr, Mcr, offset};

use super::registers::{FCR_CLEAR, LCR_8N1, LCR_DLAB, MCR_TEST, MSR_TEST, Uart};
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
        uart.write(offset::IER, value);
        uart.read(offset::IER) & 0x0f
    };
    require(ier(0x00) == 0x00 && ier(0x0f) == 0x0f, UartTest::InterruptEnable)?;
    uart.write(offset::IER, 0x00);

    // The scratch register holds any value (an 8250 has no such register). Its former value is restored.
    let before = uart.read(offset::SCR);
    let holds = |value| {
        uart.write(offset::SCR, value);
        uart.read(offset::SCR) == value
    };
    require(holds(0x5a) && holds(0xa5), UartTest::Scratch)?;
    uart.write(offset::SCR, before);

    // In loopback the modem outputs are connected to the modem inputs.
    uart.write(offset::MCR, MCR_TEST);
    require(uart.read(offset::MSR) & 0xf0 == MSR_TEST, UartTest::Loopback)?;

    // With FIFOs off, bits 5:3 of IIR are 0. With FIFOs on, bits 7:6 are 11; a 16550 without A has 10.
    uart.write(offset::FCR, 0x00);
    require(uart.read(offset::IIR) & 0x38 == 0, UartTest::Identification)?;
    uart.write(offset::FCR, Fcr::ENABLE.bits());
    require(uart.read(offset::IIR) & IIR_FIFOS_ENABLED == IIR_FIFOS_ENABLED, UartTest::Fifo)?;

    require(receives_exactly_one_fifo(uart), UartTest::Depth)
}

/// Sends the receiver more than it holds, in loopback, and checks that it holds the first 16 characters in order. An overrun
/// loses the newest character, never one in the FIFO.
fn receives_exactly_one_fifo(uart: &Uart<'_>) -> bool {
    // Divisor 1, so that a UART with a real shift register needs 87 microseconds a character.
    uart.write(offset::LCR, LCR_DLAB);
    uart.write(offset::DLL, 1);
    uart.write(offset::DLM, 0);
    uart.write(offset::LCR, LCR_8N1);
    uart.write(offset::MCR, Mcr::LOOP.bits());
    uart.write(offset::FCR, FCR_CLEAR);

    let sent = (0..FIFO_SIZE + 4).all(|character| {
        let ready = wait_lsr(uart, Lsr::THRE);
        if ready {
            uart.write(offset::THR, character);
        }
        ready
    });
    if !sent || !wait_lsr(uart, Lsr::TEMT) {
        return false;
    }
    for expected in 0..FIFO_SIZE {
        if !uart.lsr().contains(Lsr::DR) || uart.read(offset::RBR) != expected {
            return false;
        }
    }
    !uart.lsr().contains(Lsr::DR)
}

fn wait_lsr(uart: &Uart<'_>, bit: Lsr) -> bool {
    (0..PATIENCE).any(|_| uart.lsr().contains(bit))
}

fn require(passed: bool, test: UartTest) -> Result<(), UartTest> {
    if passed { Ok(()) } else { Err(test) }
}
