//! The guest's output as plain text: for programs that read text, such as `grep`, and for whatever they pass it on to.

use super::filter::is_control;
use super::sequence::{Parser, Token};

/// Leaves out all sequences and all control characters but the line ends, the tabulator and the backspace. What is left is
/// unchanged and in order. A stream of output has one.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    parser: Parser,
}

impl Plain {
    /// At the beginning of a stream.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns the text of the next bytes. An incomplete sequence is held until it is complete.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len());
        self.parser.feed(bytes, |token| match token {
            Token::Text(text) => passed.extend_from_slice(text),
            Token::Character(character) if !is_control(character) => passed.extend_from_slice(character),
            // Of stray bytes the same as in the filter for terminals.
            Token::Control(byte @ (0x08 | b'\t' | b'\n' | b'\r')) | Token::Stray(byte @ 0xa0..) => {
                passed.push(byte);
            }
            _ => {}
        });
        passed
    }

    /// Drops an incomplete sequence, because bytes are missing at this point.
    pub(crate) fn cut(&mut self) {
        self.parser.cut();
    }
}
