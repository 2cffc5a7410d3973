//! A guest's console in a hypervisor without an operating system: `core` and `alloc`, no thread, no file descriptor.
//!
//! [`console`] makes the two sides. The processor that runs the guest has the [`Port`], and the one that has the host's wire the
//! [`Printer`]. They may be the same. [`run`] is a small hypervisor that prints from the ring.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use vuart_16550::spec::{Lsr, offset};
use vuart_16550::{Config, Uart};
use vuart_scrollback::{
    CallbackDoorbell, CallbackSleeper, CapacityError, Position, Reader, Scrollback, SleeperError, Writer,
};

/// The guest's side: a 16550A whose output goes into the ring. The exit handler owns it.
#[derive(Debug)]
pub struct Port<F> {
    uart: Uart,
    output: Writer,
    doorbell: CallbackDoorbell<F>,
}

/// The host's side: it copies the output to a wire.
#[derive(Debug)]
pub struct Printer<F> {
    output: Reader,
    sleeper: CallbackSleeper<F>,
}

/// A console can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The ring can't have that size, or there is no memory for it.
    Capacity(CapacityError),
    /// No more printers can sleep.
    Sleepers,
}

impl From<CapacityError> for Error {
    fn from(error: CapacityError) -> Self {
        Self::Capacity(error)
    }
}

impl From<SleeperError> for Error {
    fn from(_: SleeperError) -> Self {
        Self::Sleepers
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(error) => error.fmt(f),
            Self::Sleepers => f.write_str("too many printers sleep"),
        }
    }
}

/// Makes a console with a ring of `capacity` bytes. `wake` sends an interrupt to the printer's processor.
///
/// # Errors
///
/// When the ring can't have that size, or there is no memory for it.
pub fn console<F: Fn()>(capacity: usize, wake: F) -> Result<(Port<F>, Printer<F>), Error> {
    let (output, scrollback) = Scrollback::new(capacity)?;
    let doorbell = CallbackDoorbell::new(wake);
    let printer = Printer { output: scrollback.reader(Position::Oldest), sleeper: doorbell.sleeper()? };
    Ok((Port { uart: Uart::new(Config::new()), output, doorbell }, printer))
}

impl<F: Fn()> Port<F> {
    /// The guest reads a register. The exit handler raises the interrupt line to [`interrupt`](Self::interrupt) afterwards.
    pub fn read(&mut self, register: u8) -> u8 {
        self.uart.read(register)
    }

    /// The guest writes a register.
    pub fn write(&mut self, register: u8, value: u8) {
        if let Some(byte) = self.uart.write(register, value) {
            // In this order: first the byte, then the bell.
            self.output.push(byte);
            self.doorbell.ring_if_armed();
        }
    }

    /// The level of the interrupt line.
    pub fn interrupt(&self) -> bool {
        self.uart.interrupt()
    }
}

impl<F: Fn()> Printer<F> {
    /// Copies what there is to `wire`. Returns how many bytes the guest had overwritten before they could be copied.
    pub fn print(&mut self, mut wire: impl FnMut(&[u8])) -> u64 {
        self.sleeper.acknowledge();
        let mut missed = 0;
        let mut buf = [0; 256];
        while self.output.is_behind() {
            let read = self.output.read(&mut buf);
            missed += read.missed;
            wire(&buf[..read.len()]);
        }
        missed
    }

    /// Asks for an interrupt, and looks again. Returns whether the processor may halt until it comes.
    pub fn may_halt(&mut self) -> bool {
        self.sleeper.arm();
        !self.output.is_behind()
    }
}

/// A guest without a driver: it polls LSR before each character.
fn guest_prints<F: Fn()>(port: &mut Port<F>, text: &[u8]) {
    for byte in text {
        while !Lsr::from_bits_retain(port.read(offset::LSR)).contains(Lsr::THRE) {}
        port.write(offset::THR, *byte);
    }
}

/// What [`run`] has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The interrupts that the printer's processor got.
    pub interrupts: u32,
    /// The bytes that it came too late for.
    pub missed: u64,
}

/// A hypervisor with one processor, which runs the guest and prints its output to `wire` whenever the doorbell's interrupt is pending.
///
/// # Errors
///
/// As [`console`].
pub fn run(mut wire: impl FnMut(&[u8])) -> Result<Seen, Error> {
    let pending = AtomicBool::new(false);
    let (mut port, mut printer) = console(4096, || pending.store(true, Ordering::Release))?;
    let mut seen = Seen { interrupts: 0, missed: 0 };
    let lines: [&[u8]; 3] = [b"Linux version 6.1\n", b"Command line: console=ttyS0\n", b"login: "];
    for line in lines {
        // There is nothing to print: a processor of its own would halt here.
        assert!(printer.may_halt());
        guest_prints(&mut port, line);
        if pending.swap(false, Ordering::Acquire) {
            seen.interrupts += 1;
            seen.missed += printer.print(&mut wire);
        }
    }
    // The guest floods, and the printer comes late: the ring has the newest bytes, and the printer learns how many it has missed.
    for _ in 0..1000 {
        guest_prints(&mut port, b"................................................................\n");
    }
    guest_prints(&mut port, b"# ");
    let mut kept = 0;
    seen.missed += printer.print(|bytes| kept += bytes.len() as u64);
    assert_eq!(kept + seen.missed, 65_002);
    // Another reader looks at the last line.
    let mut buf = [0; 64];
    let last = printer.output.scrollback().reader(Position::NewestLines(1)).read(&mut buf);
    wire(&buf[..last.len()]);
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints() {
        let mut printed = Vec::new();
        let seen = run(|bytes| printed.extend_from_slice(bytes)).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), include_str!("../printed.txt"));
        assert_eq!(seen.interrupts, 3, "one for each line, not for each byte");
        assert!((60_000..65_002).contains(&seen.missed));
    }

    #[test]
    fn a_processor_does_not_halt_with_output_left() {
        let (mut port, mut printer) = console(4096, || ()).unwrap();
        guest_prints(&mut port, b"a");
        assert!(!printer.may_halt());
        assert_eq!(printer.print(|bytes| assert_eq!(bytes, b"a")), 0);
        assert!(printer.may_halt());
    }
}
