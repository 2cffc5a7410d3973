//! The UART: its state, and the internal steps that follow from an access, a host event or time.

use crate::config::Config;
use crate::receiver::Received;
use crate::registers::Registers;
use crate::spec::{Lsr, Mcr};
use crate::time::{Instant, Time};

/// A 16450, 16550A or 16750. The [crate's documentation](crate) shows how to drive it.
///
/// No method panics, whatever the guest does.
#[derive(Debug, Clone)]
pub struct Uart<T = Instant> {
    pub(crate) registers: Registers,
    pub(crate) time: T,
}

impl Default for Uart {
    fn default() -> Self {
        Self::new(Config::new())
    }
}

impl Uart {
    /// Makes a UART after a master reset, in instant time.
    ///
    /// Two reset values differ from the data sheet. Virtual machines have always shown them:
    ///
    /// * The divisor is 12 (9600 baud), because some guests divide by it (R11, CVE-2016-8669).
    /// * OUT2 is on, so a guest that never writes MCR gets its interrupts.
    pub const fn new(config: Config) -> Self {
        Self::with_time(config, Instant::new())
    }
}

impl<T> Uart<T> {
    pub(crate) const fn with_time(config: Config, time: T) -> Self {
        Self { registers: Registers::new(config), time }
    }

    /// Returns the board's settings.
    pub const fn config(&self) -> Config {
        self.registers.config
    }
}

impl<T: Time> Uart<T> {
    /// Passes a character on from the transmitter: to the line, or in loopback to the receiver (R10).
    #[inline]
    pub(crate) fn leave(&mut self, data: u8) -> Option<u8> {
        if self.registers.mcr.contains(Mcr::LOOP) {
            self.shift_in(Received { data, errors: Lsr::empty() });
            return None;
        }
        Some(data)
    }

    /// Passes a character on to the receiver.
    pub(crate) fn shift_in(&mut self, character: Received) {
        self.registers.rx.shift_in(character);
        self.time.arrived(&self.registers);
        self.update_flow();
    }

    /// Updates RTS from the number of characters in the receiver.
    pub(crate) fn update_flow(&mut self) {
        let held = self.registers.rts_holds();
        if held != self.registers.rts_held {
            self.registers.rts_held = held;
            self.update_modem_status();
        }
    }

    /// Updates MSR, and the transmitter that may wait for CTS.
    pub(crate) fn update_modem_status(&mut self) {
        let outputs = self.registers.mcr_as_it_acts();
        self.registers.modem.update(outputs);
        self.time.clear_to_send(&mut self.registers);
    }
}
