//! Targets: what can be fuzzed.

use vm_superio::Trigger;
use vuart::SerialPort;
use vuart::endpoint::Console;

/// A port, or something that has one: a bus, a VMM.
pub trait Target {
    /// The guest reads at `offset` bytes into the port's range.
    fn read(&mut self, offset: u64, data: &mut [u8]);

    /// The guest writes at `offset` bytes into the port's range.
    fn write(&mut self, offset: u64, data: &[u8]);

    /// The host's side.
    fn console(&self) -> &Console;

    /// The number of interrupts raised.
    fn interrupts(&self) -> u64;
}

impl<T: Trigger> Target for SerialPort<T> {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        SerialPort::read(self, offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        SerialPort::write(self, offset, data);
    }

    fn console(&self) -> &Console {
        SerialPort::console(self)
    }

    fn interrupts(&self) -> u64 {
        self.counters().interrupts
    }
}

/// An interrupt that goes nowhere: the port counts it, which is all that the harness needs.
#[derive(Debug, Clone, Copy)]
pub struct Irq;

impl Trigger for Irq {
    type E = ();

    fn trigger(&self) -> Result<(), ()> {
        Ok(())
    }
}
