//! The transmitter: THR or its FIFO, the shift register, and when THRE is told.

use super::Model;
use super::receiver::Character;

/// A character that is being sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    data: u8,
    pub(super) leaves_at: u64,
}

impl Model {
    /// 8.4, bit 5: THRE "is reset to logic 0 concurrently with the loading of the transmitter holding register by the
    /// CPU". A full THR is overwritten; a full FIFO takes nothing.
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

    /// The first that waits goes into the shift register, if that is idle. TL16C750: with auto-CTS the next character is
    /// not sent before CTS is active.
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
            // At the end of time, where a character takes less than its time, not before now.
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

    /// THRE is told, and its interrupt condition is there.
    pub(super) fn empty(&mut self) {
        self.waited.clear();
        self.thre_at = None;
        self.thre_condition = true;
        self.thre_since_mode += 1;
    }

    /// The shift register has sent its character, in loopback to the receiver; then the next one starts.
    pub(super) fn shifted(&mut self) -> Option<u8> {
        let shift = self.shift.take()?;
        let left = self.leave(shift.data);
        self.start();
        left
    }

    /// A character is out: on the line, or in loopback at the receiver (8.8, bit 4). It is whole, whatever LCR says of word
    /// length and break: what a terminal shows, not what a wire does.
    fn leave(&mut self, data: u8) -> Option<u8> {
        if self.loopback() {
            self.arrive(Character::without_errors(data));
            return None;
        }
        Some(data)
    }

    /// 8.5, bit 2: "clears all bytes in the XMIT FIFO [...]. The shift register is not cleared." A driver that was told
    /// of no THRE waits for one, so it comes even if THR was empty (R6).
    pub(super) fn reset_transmitter(&mut self) {
        self.waiting.clear();
        self.empty();
    }

    /// 8.4, bit 5.
    pub(super) fn thre(&self) -> bool {
        self.waited.is_empty()
    }

    /// 8.4, bit 6: "whenever the transmitter FIFO and shift register are both empty", as THR and shift register without FIFOs.
    pub(super) fn transmitter_empty(&self) -> bool {
        self.waiting.is_empty() && self.shift.is_none()
    }
}
