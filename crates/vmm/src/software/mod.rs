//! The machine without a virtual processor: a thread that does what the guest program does.
//!
//! It repeats the program of `guest.S` part by part and register access by register access, so that a console shows the same
//! bytes with either engine. Like that program it reaches the UART over the bus, and gets interrupts by the same event. Two
//! things differ. It takes interrupts only where the program would halt and wait for one, so nothing runs concurrently. And it
//! has no timer: a clock counts the ticks.

mod commands;
mod detect;
mod driver;
mod editor;
mod interrupt;
mod monitor;
mod print;
mod registers;
mod texts;

use vmm_sys_util::eventfd::EventFd;

use crate::board::Board;
use crate::stop::Stop;
use crate::{Error, Exit, Program, i8042, post};

use driver::Driver;
use interrupt::{Interrupts, Leave};
use registers::Uart;

/// Runs a program on the current thread until it ends.
pub(crate) fn run(board: &Board, irq: EventFd, stop: &Stop, program: &Program) -> Result<Exit, Error> {
    match program {
        Program::Monitor => monitor(board, irq, stop),
        Program::Print { bytes, burst } => {
            if print::run(&Uart::new(board), stop, *bytes, *burst) {
                reset(board)
            } else {
                Ok(Exit::Stopped)
            }
        }
        Program::Code(_) => Err(Error::NoProcessor),
    }
}

fn monitor(board: &Board, irq: EventFd, stop: &Stop) -> Result<Exit, Error> {
    let interrupts = Interrupts::new(irq, stop)?;
    let uart = Uart::new(board);
    if let Err(test) = detect::detect(&uart) {
        board.write(post::PORT, &[post::code(test)]);
        return reset(board);
    }
    let driver = Driver::set_up(uart, interrupts);
    match monitor::run(driver) {
        Ok(()) => reset(board),
        Err(Leave::Stopped) => Ok(Exit::Stopped),
        Err(Leave::Failed(error)) => Err(error),
    }
}

/// Resets the machine, which ends it.
fn reset(board: &Board) -> Result<Exit, Error> {
    board.write(i8042::PORT, &[i8042::RESET]);
    board.outcome().unwrap_or(Ok(Exit::Halted))
}
