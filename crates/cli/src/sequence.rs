//! What a guest writes, cut into characters and sequences: ECMA-48 and ISO 2022 as terminals understand them.
//!
//! Kept parsers, such as the crate `vte`, are made for terminals and hand over what a sequence means: the numbers of its
//! parameters, rounded to what fits. What passes a filter has to pass as it was written, to the byte, so that this
//! parser hands over bytes. It also gives up where they collect without limit: a string that is never closed ends at last.
//!
//! A sequence is handed over when it is complete, and in one piece however it came. So whoever writes only what was handed
//! over leaves the terminal between two sequences each time. Where terminals disagree, as on a control character inside a
//! sequence, the sequence is none: nothing of it is handed over, and what broke it stands for itself.

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
pub(crate) const ESC: u8 = 0x1b;

/// The longest control sequence that is handed over, in bytes. One that sets a dozen colours has half of that.
const CONTROL_MAX: usize = 256;

/// How many intermediate bytes an escape sequence may have. Those that exist have two at most.
const INTERMEDIATES_MAX: usize = 4;

/// How much a string may swallow before it is taken for one that is never closed. A picture in kitty's protocol comes in
/// pieces of 4 KiB and a little; whoever sends longer ones has asked whether the terminal can show them.
const STRING_MAX: usize = 8 << 10;

/// A part of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Printable ASCII characters.
    Text(&'a [u8]),
    /// One character in UTF-8, of two bytes or more; it may be a control character, U+0080 to U+009F.
    Character(&'a [u8]),
    /// A control character of one byte, below 20 or 7F.
    Control(u8),
    /// A byte of 80 or above that is no part of a character.
    Stray(u8),
    /// An escape sequence: ESC, intermediate bytes, a final byte.
    Escape(&'a [u8]),
    /// A control sequence: ESC, `[`, parameters, intermediate bytes, a final byte.
    ControlSequence(&'a [u8]),
}

/// Cuts what comes, in whatever pieces.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    state: State,
    /// The beginning of a character or a sequence.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Character,
    Escape,
    /// How long it is so far.
    ControlSequence(usize),
    /// What OSC begins is not yet known: Linux' console has two that are closed by nothing.
    SystemCommand,
    /// What sets a colour of Linux' console: so many digits are left.
    Palette(u8),
    /// A string, which nobody is given: how long it is so far, and whether it may go on in another line.
    String(usize, Lines),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Titles and the like. Nothing is swallowed beyond the line that one was left open in.
    One,
    /// Data.
    Many,
}

/// What a state makes of a byte.
enum Step {
    Taken,
    /// It is no part of what went before, which is over.
    Again,
}

impl Parser {
    pub(crate) const fn new() -> Self {
        Self { state: State::Ground, held: Vec::new() }
    }

    /// Bytes are missing here: what was begun is never completed.
    pub(crate) fn cut(&mut self) {
        self.ground();
    }

    /// How many bytes are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Hands over everything that these bytes complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut to: impl FnMut(Token<'_>)) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.state == State::Ground {
                let printable =
                    bytes.iter().position(|byte| !matches!(byte, 0x20..=0x7e)).unwrap_or(bytes.len());
                if printable > 0 {
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

    /// Not a printable ASCII character, which needs no state.
    fn begin(&mut self, byte: u8, to: &mut impl FnMut(Token<'_>)) {
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
            // The last is the title of a window in screen and tmux, which guests write that believe to run in one.
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

/// Whether bytes are the beginning of a character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// The parts of a control sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// `?`, `>`, `=` or `<`: the sequence is a private one, and means something else.
    pub(crate) private: Option<u8>,
    /// Digits, `;` and `:`.
    pub(crate) parameters: &'a [u8],
    pub(crate) intermediates: &'a [u8],
    /// What is to be done.
    pub(crate) last: u8,
}

impl<'a> Parts<'a> {
    /// Takes a [control sequence](Token::ControlSequence) apart, if it is built as the standard says.
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

    /// The parameters between the `;`: one that is left out is 0, as one that is no number or a great one is `None`.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Option<u16>> {
        // None at all are as many as one that is left out.
        self.parameters.split(|byte| *byte == b';').map(number)
    }
}

/// A parameter as a number.
pub(crate) fn number(parameter: &[u8]) -> Option<u16> {
    if parameter.is_empty() {
        return Some(0);
    }
    std::str::from_utf8(parameter).ok()?.parse().ok()
}
