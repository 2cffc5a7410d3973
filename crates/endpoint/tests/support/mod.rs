//! What the tests of the console share.

use vuart_endpoint::{Input, Symbol};

/// The input that waits for the guest, at most 64 symbols, with `^` for a break.
pub(crate) fn take(input: &mut Input) -> Vec<u8> {
    let mut symbols = [Symbol::Break; 64];
    let count = input.take(&mut symbols);
    symbols[..count]
        .iter()
        .map(|symbol| match symbol {
            Symbol::Byte(byte) => *byte,
            Symbol::Break => b'^',
        })
        .collect()
}
