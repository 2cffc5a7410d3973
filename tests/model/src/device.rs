//! What can be compared with the model.

use crate::Model;

/// A UART. What each method means is said at the [`Model`]'s of the same name.
pub trait Device {
    /// The guest reads a register.
    fn read(&mut self, register: u8) -> u8;
    /// The guest writes a register. In instant time, gives the character that leaves.
    fn write(&mut self, register: u8, value: u8) -> Option<u8>;
    /// A character arrives from the host.
    fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool);
    /// A break arrives from the host.
    fn receive_break(&mut self);
    /// The host sets CTS, DSR, RI, DCD: bits 4 to 7, as in MSR.
    fn set_modem_inputs(&mut self, inputs: u8);
    /// The interrupt line.
    fn interrupt(&self) -> bool;
    /// DTR, RTS, OUT1, OUT2: bits 0 to 3, as in MCR.
    fn modem_outputs(&self) -> u8;
    /// Whether a break is being sent.
    fn break_out(&self) -> bool;

    /// IIR bits 3:0, without the effect of reading it. `None` is not compared, here and below.
    fn interrupt_id(&self) -> Option<u8> {
        None
    }

    /// How many characters the host may send.
    fn room(&self) -> Option<usize> {
        None
    }

    /// How many characters wait for the guest.
    fn received(&self) -> Option<usize> {
        None
    }

    /// Timed: goes on to `now`, in nanoseconds, or to the moment before that at which a character leaves.
    fn advance(&mut self, now: u64) -> Option<u8> {
        let _ = now;
        None
    }

    /// Timed: when something will happen without anybody's doing.
    fn next_event(&self) -> Option<u64> {
        None
    }

    /// Timed: the device's time. One that does not say gives `None`, and is not asked when a character left.
    fn now(&self) -> Option<u64> {
        None
    }

    /// A device that can be saved replaces itself by a restored copy here.
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
