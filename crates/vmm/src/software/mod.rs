//! The machine without a virtual processor: a thread that does what the guest program does.
//!
//! It repeats the program of `guest.S` part by part and register access by register access, so that a console shows the same
//! bytes with either engine. Like that program it reaches the UART over the bus, and gets interrupts by the same event. Two
//! things differ. It takes interrupts only where the program would halt and wait for one, so nothing runs concurrently. And it
//! has no timer: a clock counts the ticks.

mod detect;
mod driver;
mod editor;
mod interrupt;
mod monitor;
mod registers;
mod texts;

use std::sync::atomic::Ordering::Relaxed;

use vuart::uart::FIFO_SIZE;
use vuart::uart::spec::{Lsr, offset};

use crate::board::{Board, Request};
use crate::com1::COM1;
use crate::counters::Counting;
use crate::program::Burst;
use crate::stop::Stop;
use crate::{Error, Exit, Program, acpi, i8042, post, printed_bytes};

use driver::Driver;
pub(crate) use interrupt::Com1Input;
use interrupt::{Interrupts, Leave};
use registers::{FCR_CLEAR, LCR_8N1, MCR_PRINT, Uart};

/// Runs a program on the current thread until it ends.
pub(crate) fn run(
    board: &Board,
    input: Com1Input,
    stop: &Stop,
    counting: &Counting,
    program: &Program,
) -> Result<Exit, Error> {
    let interrupts = Interrupts::new(input, stop)?;
    loop {
        let ended = match program {
            Program::Monitor => monitor(board, &interrupts),
            Program::Print { bytes, burst } => print(&Uart(board), stop, *bytes, *burst),
            Program::Code(_) => return Err(Error::NoProcessor),
        };
        match ended {
            Ok(End::PowerOff) => board.write(acpi::PM1_CONTROL, &acpi::POWER_OFF.to_le_bytes()),
            Ok(End::Reset) => board.write(i8042::PORT, &[i8042::RESET]),
            Err(Leave::Stopped) => return Ok(Exit::Stopped),
            Err(Leave::Failed(error)) => return Err(error),
        }
        match board.request() {
            Some(Request::End(outcome)) => return outcome,
            Some(Request::Reset) if !board.reset() => return Ok(Exit::Reset),
            // An interrupt that the old guest did not take stays, as a stray one that every guest must bear.
            _ => counting.reboots.fetch_add(1, Relaxed),
        };
        // A guest that does nothing but boot is stopped here.
        if stop.is_requested() {
            return Ok(Exit::Stopped);
        }
    }
}

/// How a program ends.
enum End {
    /// It switches the machine off.
    PowerOff,
    /// It resets the machine.
    Reset,
}

/// The serial monitor, as in `guest.S`.
fn monitor(board: &Board, interrupts: &Interrupts<'_>) -> Result<End, Leave> {
    let uart = Uart(board);
    if let Err(test) = detect::detect(&uart) {
        board.write(post::PORT, &[post::code(test)]);
        return Ok(End::Reset);
    }
    monitor::run(Driver::set_up(uart, interrupts))
}

/// The program that prints, as in `print.S`.
fn print(uart: &Uart<'_>, stop: &Stop, bytes: u32, burst: Burst) -> Result<End, Leave> {
    let wait = |bit| {
        loop {
            // Checked each time, because a broken device may never set the bit.
            stop.check()?;
            if uart.lsr().contains(bit) {
                return Ok(());
            }
        }
    };
    uart.write(offset::IER, 0);
    uart.write(offset::LCR, LCR_8N1);
    uart.write(offset::FCR, FCR_CLEAR);
    uart.write(offset::MCR, MCR_PRINT);
    for characters in printed_bytes(bytes).chunks(FIFO_SIZE.into()) {
        wait(Lsr::THRE)?;
        match burst {
            Burst::Bytes => characters.iter().for_each(|character| uart.write(offset::THR, *character)),
            Burst::String => uart.0.write_string(COM1, 1, characters),
        }
    }
    wait(Lsr::TEMT)?;
    Ok(End::PowerOff)
}
