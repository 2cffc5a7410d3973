//! What of a guest's output the operator's terminal is given: what shows something on its screen, and nothing that makes it
//! answer, or reaches beyond the screen.
//!
//! A terminal answers by typing, and what it types here goes to the guest, or, a moment after the session, to the shell. So a
//! guest, or what somebody once made it write, could type. It does not matter when that was written: history and what is
//! written now are filtered alike, since the guest that asks now may be the hostile one. A program that asks and is honest
//! gets no answer, as on a terminal that does not know the question.
//!
//! What is known to be harmless passes, unchanged and in its order. Everything else is dropped, because a terminal of
//! tomorrow may answer what today's ignore. `docs/terminal.md` has the list, with the reasons.

use crate::sequence::{ESC, Parser, Parts, Token, number};

/// The highest repetition of a character: more than a line has.
const REPEAT_MAX: u16 = 1024;

/// The private modes that pass. Focus reports (1004) don't, because some terminals send one at once.
const PRIVATE_MODES: [u16; 19] =
    [1, 5, 6, 7, 9, 12, 25, 47, 1000, 1002, 1003, 1005, 1006, 1015, 1016, 1047, 1048, 1049, 2004];

/// The other modes that pass: insertion.
const MODES: [u16; 1] = [4];

/// Drops what must not reach a terminal.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    parser: Parser,
}

impl Filter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What passes of the next bytes. The beginning of a sequence waits for its end.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len());
        self.parser.feed(bytes, |token| match token {
            Token::Text(text) => passed.extend_from_slice(text),
            Token::Character(character) if !is_control(character) => passed.extend_from_slice(character),
            Token::Control(byte) if passes_control(byte) => passed.push(byte),
            // No decoder, however lenient, makes a control character of these without one of 80 to 9F behind it. In
            // UTF-8 they show that something is wrong, in another encoding they are letters.
            Token::Stray(byte @ 0xa0..) => passed.push(byte),
            Token::Escape(sequence) if passes_escape(sequence) => passed.extend_from_slice(sequence),
            Token::ControlSequence(sequence) => {
                if let Some(parts) = Parts::of(sequence) {
                    pass_control_sequence(sequence, parts, &mut passed);
                }
            }
            _ => {}
        });
        passed
    }

    /// Bytes are missing here: what was begun is never completed.
    pub(crate) fn cut(&mut self) {
        self.parser.cut();
    }
}

/// U+0080 to U+009F, which some terminals take for the 8-bit forms of `ESC @` to `ESC _`.
fn is_control(character: &[u8]) -> bool {
    matches!(character, [0xc2, 0x80..=0x9f])
}

/// NUL, BEL, BS, HT, LF, VT, FF, CR, SO, SI.
fn passes_control(byte: u8) -> bool {
    matches!(byte, 0x00 | 0x07..=0x0f)
}

fn passes_escape(sequence: &[u8]) -> bool {
    matches!(
        sequence,
        // Cursor and attributes saved and restored; the keypad; line feeds.
        [ESC, b'7' | b'8' | b'=' | b'>' | b'D' | b'E' | b'M']
            // G0 and G1: ASCII, British, line drawing.
            | [ESC, b'(' | b')', b'0' | b'A' | b'B']
            // Large characters, a screen full of E.
            | [ESC, b'#', b'3'..=b'6' | b'8']
    )
}

/// Adds what passes of a control sequence.
fn pass_control_sequence(sequence: &[u8], parts: Parts<'_>, out: &mut Vec<u8>) {
    let passes = match (parts.private, parts.intermediates, parts.last) {
        // Colours and attributes, which may have parameters of parameters.
        (None, b"", b'm') => parts.parameters.split(|byte| matches!(byte, b';' | b':')).all(is_number),
        // Cursor, tabulator, insertion, deletion, scrolling: by so many, to there.
        (None, b"", last) if b"@ABCDEFGILMPSTXZ`ade".contains(&last) => has(parts, 1, u16::MAX),
        // Cursor to line and column; the region that scrolls.
        (None, b"", b'H' | b'f' | b'r') => has(parts, 2, u16::MAX),
        // Erased: not 3, the lines that have left the screen, which are the operator's.
        (None, b"", b'J' | b'K') => has(parts, 1, 2),
        (None, b"", b'b') => has(parts, 1, REPEAT_MAX),
        // Cursor saved and restored, which have other meanings with parameters; a soft reset.
        (None, b"", b's' | b'u') | (None, b"!", b'p') => parts.parameters.is_empty(),
        // The shape of the cursor.
        (None, b" ", b'q') => has(parts, 1, 6),
        (None, b"", b'h' | b'l') => return pass_modes(b"\x1b[", parts, &MODES, out),
        (Some(b'?'), b"", b'h' | b'l') => return pass_modes(b"\x1b[?", parts, &PRIVATE_MODES, out),
        _ => false,
    };
    if passes {
        out.extend_from_slice(sequence);
    }
}

fn is_number(parameter: &[u8]) -> bool {
    number(parameter).is_some()
}

/// Whether there are at most so many parameters, none above `max`.
fn has(parts: Parts<'_>, count: usize, max: u16) -> bool {
    let fits = |number: Option<u16>| number.is_some_and(|number| number <= max);
    parts.numbers().count() <= count && parts.numbers().all(fits)
}

/// Adds those modes of a list that may be set and reset. The others would else take them along.
fn pass_modes(begin: &[u8], parts: Parts<'_>, modes: &[u16], out: &mut Vec<u8>) {
    let listed = |mode: &&[u8]| number(mode).is_some_and(|mode| modes.contains(&mode));
    let kept: Vec<&[u8]> = parts.parameters.split(|byte| *byte == b';').filter(listed).collect();
    if !kept.is_empty() {
        out.extend_from_slice(begin);
        out.extend_from_slice(&kept.join(&b';'));
        out.push(parts.last);
    }
}

#[cfg(test)]
mod tests;
