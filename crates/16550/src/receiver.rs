//! The receiver: its FIFO and its bits of LSR.

use crate::fifo::{Fifo, capacity};
use crate::spec::{Fcr, Lsr};

/// A character from the line: its data and its [`Lsr::CHARACTER_ERRORS`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) data: u8,
    pub(crate) errors: Lsr,
}

#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    fifo: Fifo<Received>,
    /// The number of characters with errors behind the oldest, whose errors LSR has not shown. It saves a scan for LSR bit 7.
    with_errors: u8,
    /// OE, PE, FE and BI: the receiver sets them, and a read of LSR clears them (R7).
    errors: Lsr,
    /// The capacity: 1, 16 or 64 characters. [`configure`](Self::configure) derives it from FCR.
    capacity: u8,
    /// The trigger level in characters. [`configure`](Self::configure) derives it from FCR.
    trigger: u8,
}

impl Receiver {
    pub(crate) const fn new() -> Self {
        Self {
            fifo: Fifo::new(Received { data: 0, errors: Lsr::empty() }),
            with_errors: 0,
            errors: Lsr::empty(),
            capacity: 1,
            trigger: 1,
        }
    }

    /// Makes a receiver that holds these characters and shows these errors.
    ///
    /// The caller has checked both, and must [configure](Self::configure) the receiver.
    pub(crate) fn restored(errors: Lsr, characters: impl Iterator<Item = Received>) -> Self {
        let mut receiver = Self::new();
        for character in characters {
            receiver.push(character);
        }
        // `push` shows the errors of the oldest character, which the guest may have read already.
        receiver.errors = errors;
        receiver
    }

    /// Sets capacity and trigger level from FCR. The caller handles the characters that wait.
    pub(crate) const fn configure(&mut self, fcr: Fcr) {
        self.capacity = capacity(fcr);
        self.trigger = fcr.trigger();
    }

    pub(crate) const fn len(&self) -> u8 {
        self.fifo.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.fifo.len() == 0
    }

    pub(crate) const fn capacity(&self) -> u8 {
        self.capacity
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.fifo.len() >= self.capacity
    }

    /// Tells whether the number of waiting characters has reached the trigger level.
    pub(crate) const fn is_at_trigger(&self) -> bool {
        self.fifo.len() >= self.trigger
    }

    pub(crate) const fn errors(&self) -> Lsr {
        self.errors
    }

    /// Returns the waiting characters from the oldest to the newest, with their errors. LSR has shown those of the oldest.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Received> {
        self.fifo.iter()
    }

    /// Takes a character from the full shift register.
    pub(crate) fn shift_in(&mut self, character: Received) {
        if self.is_full() {
            self.errors.insert(Lsr::OE);
            if self.capacity > 1 {
                // The FIFO keeps its characters, and the shift register is overwritten (R7).
                return;
            }
            // In 16450 mode RBR is overwritten. LSR has shown its errors already.
            self.fifo.clear();
        }
        self.push(character);
    }

    /// Appends a character. Errors are shown when their character becomes the oldest (data sheet, 8.4).
    fn push(&mut self, character: Received) {
        if self.is_empty() {
            self.errors.insert(character.errors);
        } else {
            self.with_errors += u8::from(!character.errors.is_empty());
        }
        self.fifo.push(character);
    }

    /// Removes and returns the oldest character, for a read of RBR.
    pub(crate) fn pop(&mut self) -> Option<u8> {
        let character = self.fifo.pop()?;
        if self.with_errors != 0
            && let Some(oldest) = self.fifo.oldest()
        {
            self.errors.insert(oldest.errors);
            self.with_errors -= u8::from(!oldest.errors.is_empty());
        }
        Some(character.data)
    }

    /// Returns the receiver's bits of LSR and clears the errors, for a read of LSR.
    pub(crate) fn read_status(&mut self) -> Lsr {
        let status = self.status();
        self.errors = Lsr::empty();
        status
    }

    /// Returns the receiver's bits of LSR without clearing the errors.
    pub(crate) fn status(&self) -> Lsr {
        let mut status = self.errors;
        status.set(Lsr::DR, !self.is_empty());
        let in_fifo = self.errors.intersects(Lsr::CHARACTER_ERRORS) || self.with_errors != 0;
        status.set(Lsr::FIFO_ERROR, self.capacity > 1 && in_fifo);
        status
    }

    /// Drops the characters and their errors. An overrun belongs to no character, so it stays (R6).
    pub(crate) const fn reset(&mut self) {
        self.fifo.clear();
        self.with_errors = 0;
        self.errors = self.errors.difference(Lsr::CHARACTER_ERRORS);
    }
}
