//! The FIFOs of the chip: 64 places, of which a profile uses 1, 16 or 64.

use crate::spec::Fcr;

/// The number of characters that a FIFO of a 16550A holds. A driver may write that many after it has seen THRE.
pub const FIFO_SIZE: u8 = 16;

/// The largest number of characters that a FIFO of any profile holds.
pub const FIFO_SIZE_MAX: u8 = 64;

/// Returns the capacity of each FIFO in characters, as FCR selects it. The transmitter has a shift register besides.
pub(crate) const fn capacity(fcr: Fcr) -> u8 {
    if !fcr.contains(Fcr::ENABLE) {
        1
    } else if fcr.contains(Fcr::FIFO_64) {
        FIFO_SIZE_MAX
    } else {
        FIFO_SIZE
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Fifo<E> {
    slots: [E; FIFO_SIZE_MAX as usize],
    head: u8,
    len: u8,
}

impl<E: Copy> Fifo<E> {
    const MASK: u8 = FIFO_SIZE_MAX - 1;

    /// Makes an empty FIFO. Unused places hold `blank`.
    pub(crate) const fn new(blank: E) -> Self {
        Self { slots: [blank; FIFO_SIZE_MAX as usize], head: 0, len: 0 }
    }

    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    pub(crate) const fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    /// Appends an element. The caller must check that there is room: a full FIFO ignores the element.
    pub(crate) fn push(&mut self, element: E) {
        if self.len < FIFO_SIZE_MAX {
            self.slots[Self::slot(self.head, self.len)] = element;
            self.len += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<E> {
        let element = self.oldest()?;
        self.head = (self.head + 1) & Self::MASK;
        self.len -= 1;
        Some(element)
    }

    /// Returns the oldest element.
    pub(crate) fn oldest(&self) -> Option<E> {
        (self.len != 0).then(|| self.slots[Self::slot(self.head, 0)])
    }

    /// Returns the elements from the oldest to the newest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = E> {
        (0..self.len).map(|index| self.slots[Self::slot(self.head, index)])
    }

    /// Returns the place of an element. The mask shows the compiler that no access is out of bounds.
    const fn slot(head: u8, index: u8) -> usize {
        (head.wrapping_add(index) & Self::MASK) as usize
    }
}
