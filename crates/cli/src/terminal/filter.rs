//! The list of what is safe to show a terminal: output that changes the screen passes, and output that makes the terminal
//! answer, or that reaches beyond the screen, is dropped.
//!
//! A terminal answers a query by typing. In a session the answer goes to the guest; a moment after the session it goes to
//! the shell. So a guest, or text that an attacker once made it write, could type. History and live output are filtered
//! alike, because the guest that asks now may be the hostile one. A harmless program that asks gets no answer, as on a terminal
//! that does not know the query.
//!
//! Only what is known to be harmless passes, unchanged and in order. Everything else is dropped, because a future terminal
//! may answer what today's terminals ignore. `docs/terminal.md` has the list, with the reasons.

use super::sequence::{ESC, Parser, Parts, Token, number};

/// The most repetitions of a character: more than a line of the screen has.
const REPEAT_MAX: u16 = 1024;

/// The private modes that pass. Focus reports (1004) do not pass, because some terminals send one at once.
const PRIVATE_MODES: [u16; 19] =
    [1, 5, 6, 7, 9, 12, 25, 47, 1000, 1002, 1003, 1005, 1006, 1015, 1016, 1047, 1048, 1049, 2004];

/// The other modes that pass: insert mode.
const MODES: [u16; 1] = [4];

/// A filter for one stream of output.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    parser: Parser,
}

impl Filter {
    /// A filter at the beginning of a stream.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns what passes of the next bytes. An incomplete sequence is held until it is complete.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len());
        self.parser.feed(bytes, |token| match token {
            Token::Text(text) => passed.extend_from_slice(text),
            Token::Character(character) if !is_control(character) => passed.extend_from_slice(character),
            Token::Control(byte) if passes_control(byte) => passed.push(byte),
            // Even a lenient decoder makes a control character of these only with a byte of 80 to 9F after them. In
            // UTF-8 they show that something is wrong; in another encoding they are letters.
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

    /// Drops an incomplete sequence, because bytes are missing at this point.
    pub(crate) fn cut(&mut self) {
        self.parser.cut();
    }
}

/// Whether a character is one of U+0080 to U+009F, which some terminals take for the 8-bit forms of `ESC @` to `ESC _`.
pub(super) fn is_control(character: &[u8]) -> bool {
    matches!(character, [0xc2, 0x80..=0x9f])
}

/// Whether a control character passes: NUL, BEL, BS, HT, LF, VT, FF, CR, SO, SI.
fn passes_control(byte: u8) -> bool {
    matches!(byte, 0x00 | 0x07..=0x0f)
}

fn passes_escape(sequence: &[u8]) -> bool {
    matches!(
        sequence,
        // Save and restore cursor and attributes; the keypad; line feeds.
        [ESC, b'7' | b'8' | b'=' | b'>' | b'D' | b'E' | b'M']
            // G0 and G1: ASCII, British, line drawing.
            | [ESC, b'(' | b')', b'0' | b'A' | b'B']
            // Large characters; a screen full of E.
            | [ESC, b'#', b'3'..=b'6' | b'8']
    )
}

/// Appends what passes of a control sequence.
fn pass_control_sequence(sequence: &[u8], parts: Parts<'_>, out: &mut Vec<u8>) {
    let passes = match (parts.private, parts.intermediates, parts.last) {
        // Colours and attributes, whose parameters may have subparameters.
        (None, b"", b'm') => parts.parameters.split(|byte| matches!(byte, b';' | b':')).all(is_number),
        // Cursor, tabulator, insertion, deletion, scrolling: with one count or position.
        (None, b"", last) if b"@ABCDEFGILMPSTXZ`ade".contains(&last) => has(parts, 1, u16::MAX),
        // The cursor to line and column; the scrolling region.
        (None, b"", b'H' | b'f' | b'r') => has(parts, 2, u16::MAX),
        // Erase. Not 3, which erases the lines that have scrolled off the user's screen.
        (None, b"", b'J' | b'K') => has(parts, 1, 2),
        (None, b"", b'b') => has(parts, 1, REPEAT_MAX),
        // Save and restore the cursor, which have other meanings with parameters; a soft reset.
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

/// Whether there are at most `count` parameters, none above `max`.
fn has(parts: Parts<'_>, count: usize, max: u16) -> bool {
    let fits = |number: Option<u16>| number.is_some_and(|number| number <= max);
    parts.numbers().count() <= count && parts.numbers().all(fits)
}

/// Appends the sequence with only those modes that are allowed. Otherwise one forbidden mode would drop the others too.
fn pass_modes(begin: &[u8], parts: Parts<'_>, modes: &[u16], out: &mut Vec<u8>) {
    let listed = |mode: &&[u8]| number(mode).is_some_and(|mode| modes.contains(&mode));
    let kept: Vec<&[u8]> = parts.parameters.split(|byte| *byte == b';').filter(listed).collect();
    if !kept.is_empty() {
        out.extend_from_slice(begin);
        out.extend_from_slice(&kept.join(&b';'));
        out.push(parts.last);
    }
}
