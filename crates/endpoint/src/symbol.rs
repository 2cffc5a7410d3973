//! What a serial line carries to the guest: characters and breaks.

/// One symbol of input. The serialised form is part of a port's saved state: variants keep their names and order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Symbol {
    /// A character.
    Byte(u8),
    /// A break: the wire stays at space for longer than a character lasts.
    Break,
}

impl Symbol {
    const BREAK: u16 = 0x100;

    /// The symbol as a cell of the input queue stores it.
    pub(crate) const fn to_cell(self) -> u16 {
        match self {
            // `u16::from` is not const yet.
            Self::Byte(byte) => byte as u16,
            Self::Break => Self::BREAK,
        }
    }

    pub(crate) const fn from_cell(cell: u16) -> Self {
        if cell == Self::BREAK { Self::Break } else { Self::Byte(cell.to_le_bytes()[0]) }
    }
}
