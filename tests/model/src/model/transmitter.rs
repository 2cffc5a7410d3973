//! The transmitter: THR or its FIFO, the shift register, and THRE.

use super::Model;
use super::receiver::Character;

/// The character in the shift register.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    data: u8,
    pub(super) leaves_at: u64,
}

impl Model {
    /// 8.4, bit 5: THRE "is reset to logic 0 concurrently with the loading of the transmitter holding register by the
    /// CPU". The write overwrites a full THR, and a full FIFO ignores it.
    pub(super) fn write_thr(&mut self, data: u8) -> Option<u8> {
        self.thre_condition = false;
        self.thre_at = None;
        if !self.timed() {
            let left = self.leave(data);
            self.empty();
            return left;
        }
        if !self.fifos() {
            self.waiting.clear();
        }
        if self.waiting.len() < self.capacity() {
            self.waiting.push_back(data);
        }
        self.waited.push(self.waiting.len());
        self.start();
        None
    }

    /// Moves the first waiting character to the shift register, if that is idle. TL16C750: with auto-CTS, the next character
    /// waits until CTS is active.
    pub(super) fn start(&mut self) {
        if self.shift.is_some() || self.forbidden_by_cts() {
            return;
        }
        let Some(data) = self.waiting.pop_front() else { return };
        let leaves_at = self.now.saturating_add(self.character_time());
        self.shift = Some(Shift { data, leaves_at });
        if !self.waiting.is_empty() {
            return;
        }
        if self.thre_is_delayed() {
            // At the largest time a character takes less than its time, so the result must not be in the past.
            self.thre_at = Some(leaves_at.saturating_sub(self.bit_time()).max(self.now));
        } else {
            self.empty();
        }
    }

    /// 8.11, transmitter, B: "the transmitter FIFO empty indications will be delayed 1 character time minus the last stop bit
    /// time whenever the following occurs: THRE = 1 and there have not been at least two bytes at the same time in the
    /// transmit FIFO, since the last THRE = 1. The first transmitter interrupt after changing FCR0 will be immediate".
    fn thre_is_delayed(&self) -> bool {
        let two_at_once = self.waited.iter().any(|&waiting| waiting >= 2);
        let first_of_the_mode = self.thre_since_mode == 0;
        self.fifos() && !two_at_once && !first_of_the_mode
    }

    /// Sets THRE and its interrupt condition.
    pub(super) fn empty(&mut self) {
        self.waited.clear();
        self.thre_at = None;
        self.thre_condition = true;
        self.thre_since_mode += 1;
    }

    /// Sends the character of the shift register, in loopback to the receiver, and starts the next one.
    pub(super) fn shifted(&mut self) -> Option<u8> {
        let shift = self.shift.take()?;
        let left = self.leave(shift.data);
        self.start();
        left
    }

    /// Passes a character on to the line, or in loopback to the receiver (8.8, bit 4). The character is always whole, whatever
    /// word length and break LCR selects: the model describes what a terminal shows, not what a wire carries.
    fn leave(&mut self, data: u8) -> Option<u8> {
        if self.loopback() {
            self.arrive(Character::without_errors(data));
            return None;
        }
        Some(data)
    }

    /// 8.5, bit 2: "clears all bytes in the XMIT FIFO [...]. The shift register is not cleared." THRE comes even if THR was
    /// empty, because the driver may wait for it (R6).
    pub(super) fn reset_transmitter(&mut self) {
        self.waiting.clear();
        self.empty();
    }

    /// Returns LSR bit 5 (8.4).
    pub(super) fn thre(&self) -> bool {
        self.waited.is_empty()
    }

    /// 8.4, bit 6: set "whenever the transmitter FIFO and shift register are both empty". Without FIFOs, THR takes the place of
    /// the FIFO.
    pub(super) fn transmitter_empty(&self) -> bool {
        self.waiting.is_empty() && self.shift.is_none()
    }
}
