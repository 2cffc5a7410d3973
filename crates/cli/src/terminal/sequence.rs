//! A parser that cuts a guest's output into characters and sequences, as terminals understand ECMA-48 and ISO 2022.
//!
//! Existing parsers, such as the crate `vte`, are made for terminals. They return the meaning of a sequence: the numbers of
//! its parameters, clamped to what fits. A filter must pass a sequence exactly as it was written, so this parser returns
//! bytes. It is also bounded where they collect without limit: a string that is never closed ends at some point.
//!
//! The parser returns a sequence when it is complete, and in one piece, however it arrived. A caller that writes only what the
//! parser returned therefore always leaves the terminal between two sequences. Where terminals disagree, such as on a control
//! character inside a sequence, the parser drops the sequence and returns the byte that broke it by itself.

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
pub(crate) const ESC: u8 = 0x1b;

/// The longest control sequence that is returned, in bytes. A sequence that sets a dozen colours has half of that.
const CONTROL_MAX: usize = 256;

/// The most intermediate bytes of an escape sequence. Existing sequences have at most two.
const INTERMEDIATES_MAX: usize = 4;

/// The longest string, in bytes. The parser takes a longer one for a string that is never closed. (A picture in kitty's
/// protocol arrives in pieces of a little over 4 KiB. A program sends longer pieces only to a terminal that has said that it
/// can show them.)
const STRING_MAX: usize = 8 << 10;

/// A part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Printable ASCII characters.
    Text(&'a [u8]),
    /// One UTF-8 character of two bytes or more. It may be a control character, U+0080 to U+009F.
    Character(&'a [u8]),
    /// A control character of one byte: below 20, or 7F.
    Control(u8),
    /// A byte of 80 or above that is not part of a UTF-8 character.
    Stray(u8),
    /// An escape sequence: ESC, intermediate bytes, a final byte.
    Escape(&'a [u8]),
    /// A control sequence: ESC, `[`, parameters, intermediate bytes, a final byte.
    ControlSequence(&'a [u8]),
}

/// The parser. The output may arrive in pieces of any length.
#[derive(Debug)]
pub(crate) struct Parser {
    state: State,
    /// The bytes of a character or sequence that is not complete yet.
    held: Vec<u8>,
    /// How many more bytes may be the rest of a character whose beginning is missing.
    headless: u8,
}

/// The most bytes of a UTF-8 character behind its first.
const TAIL_MAX: u8 = 3;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Character,
    Escape,
    /// A control sequence, and its length so far.
    ControlSequence(usize),
    /// After OSC. The next byte decides: Linux' console has two commands that have no terminator.
    SystemCommand,
    /// The command that sets a colour of Linux' console, and how many digits are left.
    Palette(u8),
    /// A string, which is never returned: its length so far, and whether it may continue on another text line.
    String(usize, Lines),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Titles and the like. If one is left open, it ends with its text line.
    One,
    /// Data.
    Many,
}

/// What a state does with a byte.
enum Step {
    /// The byte is consumed.
    Taken,
    /// The byte ended what went before, and is not part of it. It is looked at again.
    Again,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser between two sequences, at a point of the output that may be in the middle of a character.
    pub(crate) const fn new() -> Self {
        Self { state: State::Ground, held: Vec::new(), headless: TAIL_MAX }
    }

    /// Drops an incomplete sequence, because bytes are missing at this point. The output goes on with the next whole character.
    pub(crate) fn cut(&mut self) {
        self.ground();
        self.headless = TAIL_MAX;
    }

    /// Parses these bytes, and calls `to` with each token that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut to: impl FnMut(Token<'_>)) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.state == State::Ground {
                let printable =
                    bytes.iter().position(|byte| !matches!(byte, 0x20..=0x7e)).unwrap_or(bytes.len());
                if printable > 0 {
                    self.headless = 0;
                    let (text, rest) = bytes.split_at(printable);
                    to(Token::Text(text));
                    bytes = rest;
                    continue;
                }
            }
            if let Step::Taken = self.step(*byte, &mut to) {
                bytes = rest;
            }
        }
    }

    fn step(&mut self, byte: u8, to: &mut impl FnMut(Token<'_>)) -> Step {
        match self.state {
            State::Ground => self.begin(byte, to),
            State::Character => return self.character(byte, to),
            State::Escape => return self.escape(byte, to),
            State::ControlSequence(length) => return self.control_sequence(byte, length, to),
            State::SystemCommand => match byte {
                b'R' => self.ground(),
                b'P' => self.state = State::Palette(7),
                _ => {
                    self.state = State::String(0, Lines::One);
                    return Step::Again;
                }
            },
            State::Palette(left) => match (left, byte.is_ascii_hexdigit()) {
                (1, true) => self.ground(),
                (_, true) => self.state = State::Palette(left - 1),
                (_, false) => return self.again(),
            },
            State::String(length, lines) => match (byte, lines) {
                (BEL | CAN | SUB, _) => self.ground(),
                (ESC, _) | (b'\r' | b'\n', Lines::One) => return self.again(),
                _ if length >= STRING_MAX => return self.again(),
                _ => self.state = State::String(length + 1, lines),
            },
        }
        Step::Taken
    }

    fn ground(&mut self) {
        self.state = State::Ground;
        self.held.clear();
    }

    fn again(&mut self) -> Step {
        self.ground();
        Step::Again
    }

    /// Handles a byte outside of any sequence. Printable ASCII, which needs no state, is handled by [`feed`](Self::feed).
    fn begin(&mut self, byte: u8, to: &mut impl FnMut(Token<'_>)) {
        if matches!(byte, 0x80..=0xbf) && self.headless > 0 {
            self.headless -= 1;
            return;
        }
        self.headless = 0;
        self.held.clear();
        self.held.push(byte);
        match byte {
            ESC => self.state = State::Escape,
            0..=0x7f => to(Token::Control(byte)),
            _ if is_begun(&self.held) => self.state = State::Character,
            _ => to(Token::Stray(byte)),
        }
    }

    fn character(&mut self, byte: u8, to: &mut impl FnMut(Token<'_>)) -> Step {
        self.held.push(byte);
        if std::str::from_utf8(&self.held).is_ok() {
            to(Token::Character(&self.held));
            self.ground();
        } else if !is_begun(&self.held) {
            self.held.pop();
            for stray in &self.held {
                to(Token::Stray(*stray));
            }
            return self.again();
        }
        Step::Taken
    }

    fn escape(&mut self, byte: u8, to: &mut impl FnMut(Token<'_>)) -> Step {
        self.held.push(byte);
        match (byte, self.held.len()) {
            (0x20..=0x2f, length) if length <= 1 + INTERMEDIATES_MAX => {}
            (b'[', 2) => self.state = State::ControlSequence(2),
            (b']', 2) => self.state = State::SystemCommand,
            // `ESC k` is the title of a window in screen and tmux. Guests that take the terminal for one of these write it.
            (b'X' | b'^' | b'k', 2) => self.state = State::String(0, Lines::One),
            (b'P' | b'_', 2) => self.state = State::String(0, Lines::Many),
            (0x30..=0x7e, _) => {
                to(Token::Escape(&self.held));
                self.ground();
            }
            _ => return self.again(),
        }
        Step::Taken
    }

    fn control_sequence(&mut self, byte: u8, length: usize, to: &mut impl FnMut(Token<'_>)) -> Step {
        let length = length + 1;
        if !matches!(byte, 0x20..=0x7e) || length > STRING_MAX {
            return self.again();
        }
        if length <= CONTROL_MAX {
            self.held.push(byte);
        }
        self.state = State::ControlSequence(length);
        if byte >= 0x40 {
            if length <= CONTROL_MAX {
                to(Token::ControlSequence(&self.held));
            }
            self.ground();
        }
        Step::Taken
    }
}

/// Whether the bytes are the beginning of a UTF-8 character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// The parts of a control sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// The prefix of a private sequence: `?`, `>`, `=` or `<`.
    pub(crate) private: Option<u8>,
    /// The parameters: digits, `;` and `:`.
    pub(crate) parameters: &'a [u8],
    /// The intermediate bytes.
    pub(crate) intermediates: &'a [u8],
    /// The final byte, which names the function.
    pub(crate) last: u8,
}

impl<'a> Parts<'a> {
    /// Splits a [control sequence](Token::ControlSequence). Returns `None` if it does not have the standard form.
    pub(crate) fn of(sequence: &'a [u8]) -> Option<Self> {
        let (last, body) = sequence.strip_prefix(b"\x1b[")?.split_last()?;
        let (private, body) = match body.split_first() {
            Some((private @ b'<'..=b'?', rest)) => (Some(*private), rest),
            _ => (None, body),
        };
        let end = body.iter().position(|byte| !matches!(byte, b'0'..=b';')).unwrap_or(body.len());
        let (parameters, intermediates) = body.split_at(end);
        let sound = intermediates.iter().all(|byte| matches!(byte, 0x20..=0x2f));
        sound.then_some(Self { private, parameters, intermediates, last: *last })
    }

    /// The parameters between the `;`. An empty parameter is 0; a parameter that is not a number below 65536 is `None`.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Option<u16>> {
        // No parameters are the same as one empty parameter.
        self.parameters.split(|byte| *byte == b';').map(number)
    }
}

/// A parameter as a number: 0 if it is empty, `None` if it is not a number below 65536.
pub(crate) fn number(parameter: &[u8]) -> Option<u16> {
    if parameter.is_empty() {
        return Some(0);
    }
    std::str::from_utf8(parameter).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclosed_sequence_takes_a_bounded_amount_of_memory() {
        let mut parser = Parser::new();
        for begin in [&b"\x1bP"[..], b"\x1b]52;c;", b"\x1b[", b"\x1b"] {
            parser.feed(begin, |_| ());
            for _ in 0..100 {
                parser.feed(&[b'!'; 4096], |_| ());
            }
            assert!(parser.held.len() <= 256);
        }
    }
}
