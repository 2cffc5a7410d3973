//! Fast-path cache for repeated register reads and THR writes.
//!
//! Most accesses of a guest change nothing that a later access could show. It polls LSR, which says that there is room, and writes
//! THR, whose character goes into the ring. So the port keeps what such a read has returned, and whether a THR write does nothing
//! but send. An access that hits needs the cache, and one look at whether the host has done something since. Any other access takes
//! the long way, which empties the cache if it changes something.
//!
//! Only the long way fills the cache, with the one answer that it has found to be repeatable. To work out all answers in advance
//! would cost each access that changes something more than the access itself.
//!
//! A guest must not be able to tell a hit from the long way. `tests/fast_path.rs` has two ports do the same random things. One of
//! them records, so it always takes the long way.

use vuart_16550::spec::offset;

/// Cached replies, valid until the next state change; empty while recording.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cache {
    /// A bit for each register whose value is in `values`.
    known: u8,
    /// A THR write sends the character, and does nothing else.
    sends: bool,
    values: [u8; offset::COUNT as usize],
}

impl Cache {
    /// What the register reads, if that is known. Only the low three bits of `register` count.
    #[inline]
    pub(crate) fn read(&self, register: u8) -> Option<u8> {
        let register = register & (offset::COUNT - 1);
        (self.known >> register & 1 != 0).then(|| self.values[usize::from(register)])
    }

    /// Whether a THR write is known to send the character, and to do nothing else.
    #[inline]
    pub(crate) fn sends(&self) -> bool {
        self.sends
    }

    /// Keeps what a read has returned that changed nothing.
    #[inline]
    pub(crate) fn keep_read(&mut self, register: u8, value: u8) {
        let register = register & (offset::COUNT - 1);
        self.known |= 1 << register;
        self.values[usize::from(register)] = value;
    }

    /// Keeps whether a THR write only sends.
    #[inline]
    pub(crate) fn keep_sends(&mut self, sends: bool) {
        self.sends = sends;
    }

    /// Forgets everything: something has changed.
    #[inline]
    pub(crate) fn clear(&mut self) {
        (self.known, self.sends) = (0, false);
    }
}
