//! The interface of a device that is compared with the model.

use crate::Model;

/// A UART to compare. Each method means what the [`Model`]'s method of the same name means.
pub trait Device {
    /// Reads a register for the guest.
    fn read(&mut self, register: u8) -> u8;
    /// Writes a register for the guest. In instant time, returns the character that leaves.
    fn write(&mut self, register: u8, value: u8) -> Option<u8>;
    /// Delivers a character from the host.
    fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool);
    /// Delivers a break from the host.
    fn receive_break(&mut self);
    /// Sets CTS, DSR, RI and DCD: bits 4 to 7, as in MSR.
    fn set_modem_inputs(&mut self, inputs: u8);
    /// Returns the level of the interrupt line.
    fn interrupt(&self) -> bool;
    /// Returns DTR, RTS, OUT1 and OUT2: bits 0 to 3, as in MCR.
    fn modem_outputs(&self) -> u8;
    /// Tells whether the UART sends a break.
    fn break_out(&self) -> bool;

    /// Returns IIR bits 3:0 without the effect of a read. The comparison skips `None`, here and below.
    fn interrupt_id(&self) -> Option<u8> {
        None
    }

    /// Returns how many characters the host may send.
    fn room(&self) -> Option<usize> {
        None
    }

    /// Returns how many characters wait for the guest.
    fn received(&self) -> Option<usize> {
        None
    }

    /// In timed mode, advances time to `now`, in nanoseconds, or to the earlier moment at which a character leaves.
    fn advance(&mut self, now: u64) -> Option<u8> {
        let _ = now;
        None
    }

    /// In timed mode, returns the time of the next event that neither the guest nor the host causes.
    fn next_event(&self) -> Option<u64> {
        None
    }

    /// In timed mode, returns the device's time. If it is `None`, the times of characters are not compared.
    fn now(&self) -> Option<u64> {
        None
    }

    /// Saves the device and replaces it by a restored copy, if it can be saved.
    fn restart(&mut self) {}
}

impl Device for Model {
    fn read(&mut self, register: u8) -> u8 {
        self.read(register)
    }

    fn write(&mut self, register: u8, value: u8) -> Option<u8> {
        self.write(register, value)
    }

    fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool) {
        self.receive(data, parity_error, framing_error);
    }

    fn receive_break(&mut self) {
        self.receive_break();
    }

    fn set_modem_inputs(&mut self, inputs: u8) {
        self.set_modem_inputs(inputs);
    }

    fn interrupt(&self) -> bool {
        self.interrupt()
    }

    fn modem_outputs(&self) -> u8 {
        self.modem_outputs()
    }

    fn break_out(&self) -> bool {
        self.break_out()
    }

    fn interrupt_id(&self) -> Option<u8> {
        Some(self.interrupt_id())
    }

    fn room(&self) -> Option<usize> {
        Some(self.room())
    }

    fn received(&self) -> Option<usize> {
        Some(self.received())
    }

    fn advance(&mut self, now: u64) -> Option<u8> {
        self.advance(now)
    }

    fn next_event(&self) -> Option<u64> {
        self.next_event()
    }

    fn now(&self) -> Option<u64> {
        Some(self.now())
    }

    fn restart(&mut self) {
        *self = self.clone();
    }
}
