//! The receiver FIFO: sixteen characters, each with the errors it came with.

use crate::spec::Lsr;
use crate::uart::FIFO_SIZE;

/// A character as it came over the line: its data and its [`Lsr::CHARACTER_ERRORS`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Character {
    pub(crate) data: u8,
    pub(crate) errors: Lsr,
}

#[derive(Debug, Clone)]
pub(crate) struct Fifo {
    data: [u8; FIFO_SIZE as usize],
    errors: [Lsr; FIFO_SIZE as usize],
    head: u8,
    len: u8,
    /// How many of the waiting characters have an error, so that LSR bit 7 needs no scan.
    with_errors: u8,
}

impl Fifo {
    const MASK: u8 = FIFO_SIZE - 1;

    pub(crate) const fn new() -> Self {
        Self {
            data: [0; FIFO_SIZE as usize],
            errors: [Lsr::empty(); FIFO_SIZE as usize],
            head: 0,
            len: 0,
            with_errors: 0,
        }
    }

    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    pub(crate) const fn has_errors(&self) -> bool {
        self.with_errors != 0
    }

    pub(crate) const fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
        self.with_errors = 0;
    }

    /// Appends a character. The caller knows that there is room; a full FIFO stays as it is.
    pub(crate) fn push(&mut self, character: Character) {
        if self.len == FIFO_SIZE {
            return;
        }
        let slot = usize::from((self.head + self.len) & Self::MASK);
        self.data[slot] = character.data;
        self.errors[slot] = character.errors;
        self.with_errors += u8::from(!character.errors.is_empty());
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<u8> {
        if self.len == 0 {
            return None;
        }
        let slot = usize::from(self.head & Self::MASK);
        self.with_errors -= u8::from(!self.errors[slot].is_empty());
        self.head = (self.head + 1) & Self::MASK;
        self.len -= 1;
        Some(self.data[slot])
    }

    /// Takes the errors of the character at the top, which is when they are revealed to the CPU (data sheet, 8.6.3).
    pub(crate) fn take_top_errors(&mut self) -> Lsr {
        let slot = usize::from(self.head & Self::MASK);
        if self.len == 0 || self.errors[slot].is_empty() {
            return Lsr::empty();
        }
        self.with_errors -= 1;
        core::mem::replace(&mut self.errors[slot], Lsr::empty())
    }
}
