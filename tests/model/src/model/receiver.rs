//! The receiver: its buffer or FIFO, and the errors of each character.

use super::Model;
use crate::register::{
    FCR_TRIGGER, LSR_BREAK, LSR_CHARACTER_ERRORS, LSR_DATA_READY, LSR_FRAMING, LSR_OVERRUN, LSR_PARITY,
};

/// A character and its errors: the eleven bits of an entry in the receiver FIFO.
#[derive(Debug, Clone, Copy)]
pub(super) struct Character {
    data: u8,
    errors: u8,
}

impl Character {
    /// "When break occurs only one zero character is loaded into the FIFO." (8.4) The missing stop bit belongs to the break and
    /// is not a framing error as well.
    pub(super) const BREAK: Self = Self { data: 0, errors: LSR_BREAK };

    pub(super) const fn without_errors(data: u8) -> Self {
        Self { data, errors: 0 }
    }
}

impl Model {
    /// Delivers a character from the host. In loopback the receiver is disconnected from its pin (8.8, bit 4).
    pub fn receive(&mut self, data: u8, parity_error: bool, framing_error: bool) {
        let parity = if parity_error { LSR_PARITY } else { 0 };
        let framing = if framing_error { LSR_FRAMING } else { 0 };
        if !self.loopback() {
            self.arrive(Character { data, errors: parity | framing });
        }
    }

    /// Delivers a break from the host.
    pub fn receive_break(&mut self) {
        if !self.loopback() {
            self.arrive(Character::BREAK);
        }
    }

    /// Returns how many characters wait for the guest.
    pub fn received(&self) -> usize {
        self.received.len()
    }

    /// Returns how many characters the host may send before one is lost or RTS becomes inactive.
    pub fn room(&self) -> usize {
        if self.loopback() || self.held { 0 } else { self.sender_limit().saturating_sub(self.received.len()) }
    }

    /// Takes a character. 8.4, bit 1: in FIFO mode "the character in the shift register is overwritten, but it is not transferred to the FIFO".
    /// Without FIFOs "the next character was transferred into the receiver buffer register, thereby destroying the
    /// previous character".
    pub(super) fn arrive(&mut self, character: Character) {
        let overrun = self.received.len() == self.capacity();
        if overrun {
            self.line_errors.push(LSR_OVERRUN);
        }
        if overrun && !self.fifos() {
            self.received.clear();
        }
        if self.received.len() < self.capacity() {
            self.received.push_back(character);
            if self.received.len() == 1 {
                self.reveal();
            }
        }
        // 8.11, time-outs, D: the timer is reset "after a new character is received", and a lost character is received too.
        // It does not clear a time-out that has come.
        if !self.timed_out {
            self.await_time_out();
        }
        self.settle();
    }

    /// 8.4, bits 2 to 4: an error "is revealed to the CPU when its associated character is at the top of the FIFO".
    fn reveal(&mut self) {
        if let Some(top) = self.received.front()
            && top.errors != 0
        {
            self.line_errors.push(top.errors);
        }
    }

    /// Reads RBR. An empty receiver returns 0. 8.11, time-outs, C and D: "when the CPU reads one character from the RCVR FIFO",
    /// the time-out is cleared and the timer is reset.
    pub(super) fn read_rbr(&mut self) -> u8 {
        let Some(character) = self.received.pop_front() else { return 0 };
        self.reveal();
        self.timed_out = false;
        self.await_time_out();
        self.settle();
        character.data
    }

    /// 8.5, bit 1: "clears all bytes in the RCVR FIFO". That drops their errors too, but not an overrun.
    pub(super) fn reset_receiver(&mut self) {
        self.received.clear();
        for errors in &mut self.line_errors {
            *errors &= !LSR_CHARACTER_ERRORS;
        }
        self.timed_out = false;
        self.await_time_out();
    }

    /// 8.11, time-outs, A: a time-out comes while "at least one character is in the FIFO" and both the most recent character and
    /// the most recent read "was longer than 4 continuous character times ago". Without a clock, no time-out is expected.
    fn await_time_out(&mut self) {
        let awaited = self.timed() && self.fifos() && !self.received.is_empty();
        self.time_out_at = awaited.then(|| self.now.saturating_add(4 * self.character_time()));
    }

    /// Tells whether the time-out has come. In instant time it comes with the first character. (OpenVMM and bhyve do that too,
    /// and every driver accepts it, R14.)
    pub(super) fn time_out(&self) -> bool {
        self.fifos() && !self.received.is_empty() && (self.timed_out || !self.timed())
    }

    /// Returns the trigger level (8.5, bits 7:6, and TL16C750 for 64 characters).
    pub(super) fn trigger(&self) -> usize {
        match (self.capacity(), (self.fcr & FCR_TRIGGER) >> 6) {
            (1, _) | (16 | 64, 0) => 1,
            (16, 1) => 4,
            (16, 2) => 8,
            (16, _) => 14,
            (_, 1) => 16,
            (_, 2) => 32,
            (_, _) => 56,
        }
    }

    pub(super) fn trigger_reached(&self) -> bool {
        self.received.len() >= self.trigger()
    }

    /// Returns LSR bit 0 (8.4).
    pub(super) fn data_ready(&self) -> u8 {
        if self.received.is_empty() { 0 } else { LSR_DATA_READY }
    }

    /// Returns LSR bits 1 to 4 (8.4).
    pub(super) fn line_errors(&self) -> u8 {
        self.line_errors.iter().fold(0, |all, errors| all | errors)
    }

    /// 8.4, bit 7: "at least one parity error, framing error or break indication in the FIFO", cleared by reading LSR "if there
    /// are no subsequent errors in the FIFO". So the revealed errors of the top count until LSR is read.
    pub(super) fn error_in_fifo(&self) -> bool {
        let unread = self.line_errors() & LSR_CHARACTER_ERRORS != 0;
        let below_the_top = self.received.iter().skip(1).any(|character| character.errors != 0);
        self.fifos() && (unread || below_the_top)
    }
}
