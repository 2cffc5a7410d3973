//! A first-in, first-out memory of the chip: 64 places, of which a profile uses one, 16 or all.

/// The most characters that a FIFO of any profile holds.
pub const FIFO_SIZE_MAX: u8 = 64;

#[derive(Debug, Clone)]
pub(crate) struct Fifo<E> {
    slots: [E; FIFO_SIZE_MAX as usize],
    head: u8,
    len: u8,
}

impl<E: Copy> Fifo<E> {
    const MASK: u8 = FIFO_SIZE_MAX - 1;

    /// An empty one; `blank` is what its places hold until something is put there.
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

    /// Appends an element. The caller knows that there is room; a memory that is full stays as it is.
    pub(crate) fn push(&mut self, element: E) {
        if self.len < FIFO_SIZE_MAX {
            self.slots[Self::slot(self.head, self.len)] = element;
            self.len += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<E> {
        let element = *self.top()?;
        self.head = (self.head + 1) & Self::MASK;
        self.len -= 1;
        Some(element)
    }

    /// The oldest element.
    pub(crate) fn top(&mut self) -> Option<&mut E> {
        (self.len != 0).then(|| &mut self.slots[Self::slot(self.head, 0)])
    }

    /// From the oldest to the newest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = E> {
        (0..self.len).map(|index| self.slots[Self::slot(self.head, index)])
    }

    /// Masked, so that the compiler sees that no access is out of bounds.
    const fn slot(head: u8, index: u8) -> usize {
        (head.wrapping_add(index) & Self::MASK) as usize
    }
}
