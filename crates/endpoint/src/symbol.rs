//! What a serial line carries to the guest: characters, whole or damaged, and breaks.

/// One symbol of input. The serialised form is part of a port's saved state: variants keep their names and order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Symbol {
    /// A character.
    Byte(u8),
    /// A break: the wire stays at space for longer than a character lasts.
    Break,
    /// A character that the line has damaged. The guest gets it with its error, as LSR bits.
    Damaged(u8, LineError),
}

/// What the receiver finds wrong with a character. The serialised form is part of a port's saved state, as [`Symbol`]'s is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LineError {
    /// The parity bit is wrong (LSR.PE).
    Parity,
    /// There is no stop bit (LSR.FE).
    Framing,
    /// Both.
    ParityAndFraming,
}

impl Symbol {
    const BREAK: u16 = 0x100;
    const PARITY: u16 = 0x200;
    const FRAMING: u16 = 0x400;

    /// The symbol as a cell of the input queue stores it.
    pub(crate) const fn to_cell(self) -> u16 {
        match self {
            // `u16::from` is not const yet.
            Self::Byte(byte) => byte as u16,
            Self::Break => Self::BREAK,
            Self::Damaged(byte, LineError::Parity) => byte as u16 | Self::PARITY,
            Self::Damaged(byte, LineError::Framing) => byte as u16 | Self::FRAMING,
            Self::Damaged(byte, LineError::ParityAndFraming) => byte as u16 | Self::PARITY | Self::FRAMING,
        }
    }

    pub(crate) const fn from_cell(cell: u16) -> Self {
        let byte = cell.to_le_bytes()[0];
        match (cell & Self::PARITY != 0, cell & Self::FRAMING != 0) {
            (true, true) => Self::Damaged(byte, LineError::ParityAndFraming),
            (true, false) => Self::Damaged(byte, LineError::Parity),
            (false, true) => Self::Damaged(byte, LineError::Framing),
            (false, false) if cell & Self::BREAK != 0 => Self::Break,
            (false, false) => Self::Byte(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_every_symbol() {
        let errors = [LineError::Parity, LineError::Framing, LineError::ParityAndFraming];
        for byte in 0..=u8::MAX {
            let damaged = errors.map(|error| Symbol::Damaged(byte, error));
            for symbol in [Symbol::Byte(byte), Symbol::Break].into_iter().chain(damaged) {
                assert_eq!(Symbol::from_cell(symbol.to_cell()), symbol);
            }
        }
    }
}
