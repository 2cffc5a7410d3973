//! The modes that a guest has left on in the user's terminal, and the sequences that turn them off and on again.

use super::rendition::Rendition;
use super::sequence::{Parts, Token};

/// The private modes that are tracked, each with its state in an untouched terminal. The alternate screens come first, so
/// that the main screen is shown when the other modes are turned off.
const PRIVATE_MODES: [(u16, bool); 20] = [
    (47, false),
    (1047, false),
    (1049, false),
    (1, false),
    (5, false),
    (7, true),
    (9, false),
    (12, false),
    (25, true),
    (1000, false),
    (1001, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1005, false),
    (1006, false),
    (1015, false),
    (1016, false),
    (2004, false),
    (2026, false),
];

/// The bits of the alternate screens.
const SCREENS: u32 = 0b111;

/// The other modes that are tracked: keyboard lock, insert mode, no local echo, CR with each LF.
const MODES: [(u16, bool); 4] = [(2, false), (4, false), (12, true), (20, false)];

/// The difference between the terminal's state and that of an untouched terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// The private modes that differ: a bit for each, in the order of the table.
    private: u32,
    /// The other modes that differ.
    others: u32,
    /// Whether the keypad is in application mode.
    keypad: bool,
    /// The sequence that has set the scrolling region.
    region: Option<Vec<u8>>,
    /// The sequence that has set the cursor's shape.
    cursor: Option<Vec<u8>>,
    /// The attributes and the like.
    rendition: Rendition,
    /// What was saved with the cursor, on the main screen and on the alternate screen.
    saved: [Rendition; 2],
}

impl Modes {
    /// The state of an untouched terminal.
    pub(crate) const fn new() -> Self {
        Self {
            private: 0,
            others: 0,
            keypad: false,
            region: None,
            cursor: None,
            rendition: Rendition::new(),
            saved: [Rendition::new(), Rendition::new()],
        }
    }

    /// Notes a token that is written to the terminal.
    pub(crate) fn note(&mut self, token: Token<'_>) {
        match token {
            Token::Control(0x0e) => self.rendition.shifted = true,
            Token::Control(0x0f) => self.rendition.shifted = false,
            Token::Escape(sequence) => self.note_escape(sequence),
            Token::ControlSequence(sequence) => {
                if let Some(parts) = Parts::of(sequence) {
                    self.note_control_sequence(sequence, parts);
                }
            }
            _ => {}
        }
    }

    fn note_escape(&mut self, sequence: &[u8]) {
        match sequence {
            b"\x1b=" => self.keypad = true,
            b"\x1b>" => self.keypad = false,
            b"\x1b7" => self.save(),
            b"\x1b8" => self.restore(),
            b"\x1bc" => *self = Self::new(),
            [0x1b, b'(', set] => self.rendition.charset = (*set != b'B').then_some(*set),
            _ => {}
        }
    }

    fn note_control_sequence(&mut self, sequence: &[u8], parts: Parts<'_>) {
        match (parts.private, parts.intermediates, parts.last) {
            (Some(b'?'), b"", last @ (b'h' | b'l')) => {
                for mode in parts.numbers().flatten() {
                    self.note_private_mode(mode, last == b'h');
                }
            }
            (None, b"", last @ (b'h' | b'l')) => {
                for mode in parts.numbers().flatten() {
                    note_mode(&MODES, &mut self.others, mode, last == b'h');
                }
            }
            (None, b"", b'm') => self.rendition.note_attributes(sequence, parts),
            (None, b"", b'r') => self.region = (!parts.parameters.is_empty()).then(|| sequence.to_vec()),
            (None, b"", b's') if parts.parameters.is_empty() => self.save(),
            (None, b"", b'u') if parts.parameters.is_empty() => self.restore(),
            (None, b" ", b'q') => {
                self.cursor = parts.numbers().any(|shape| shape != Some(0)).then(|| sequence.to_vec());
            }
            (None, b"!", b'p') => self.reset(),
            _ => {}
        }
    }

    fn note_private_mode(&mut self, mode: u16, set: bool) {
        if set && matches!(mode, 1048 | 1049) {
            self.save();
        }
        note_mode(&PRIVATE_MODES, &mut self.private, mode, set);
        if mode == 6 {
            self.rendition.origin = set;
        }
        if !set && matches!(mode, 1048 | 1049) {
            self.restore();
        }
    }

    fn save(&mut self) {
        let rendition = self.rendition.clone();
        *self.slot() = rendition;
    }

    fn restore(&mut self) {
        self.rendition = self.slot().clone();
    }

    fn slot(&mut self) -> &mut Rendition {
        let [main, other] = &mut self.saved;
        if self.private & SCREENS == 0 { main } else { other }
    }

    /// Notes a soft reset. Terminals differ on whether it resets the automatic line feed, so that mode stays noted.
    fn reset(&mut self) {
        for (mode, initial) in [(1, false), (25, true)] {
            note_mode(&PRIVATE_MODES, &mut self.private, mode, initial);
        }
        self.others &= !0b11;
        self.keypad = false;
        self.region = None;
        self.rendition = Rendition::new();
    }

    /// Returns the sequences that turn off what is on, and nothing else. Afterwards the main screen is shown. The cursor is
    /// where the guest left it there, or at the end of the screen where that is unknown.
    pub(crate) fn off(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.rendition.origin {
            bytes.extend_from_slice(b"\x1b[?6l");
        }
        if self.region.is_some() {
            bytes.extend_from_slice(b"\x1b[r");
        }
        if !bytes.is_empty() {
            // Each of these sequences moves the cursor to the first line.
            bytes.extend_from_slice(b"\x1b[9999;1H");
        }
        write_modes("?", &PRIVATE_MODES, self.private, false, &mut bytes);
        write_modes("", &MODES, self.others, false, &mut bytes);
        if self.keypad {
            bytes.extend_from_slice(b"\x1b>");
        }
        if self.cursor.is_some() {
            bytes.extend_from_slice(b"\x1b[0 q");
        }
        self.brought_back().off(&self.rendition, &mut bytes);
        bytes
    }

    /// What leaving the alternate screen may bring back: the state that was saved on the main screen.
    fn brought_back(&self) -> &Rendition {
        let [main, _] = &self.saved;
        if self.private & SCREENS == 0 { &self.rendition } else { main }
    }

    /// Returns the sequences that turn on again what [`off`](Self::off) turns off. They do not restore the screen's content.
    pub(crate) fn on(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.private & SCREENS != 0 {
            let main = self.brought_back();
            main.on(&mut bytes);
            write_modes("?", &PRIVATE_MODES, self.private & SCREENS, true, &mut bytes);
            main.off(main, &mut bytes);
        }
        write_modes("?", &PRIVATE_MODES, self.private & !SCREENS, true, &mut bytes);
        write_modes("", &MODES, self.others, true, &mut bytes);
        bytes.extend(self.region.iter().flatten());
        if self.rendition.origin {
            bytes.extend_from_slice(b"\x1b[?6h");
        }
        if self.keypad {
            bytes.extend_from_slice(b"\x1b=");
        }
        bytes.extend(self.cursor.iter().flatten());
        self.rendition.on(&mut bytes);
        bytes
    }
}

/// Notes that a mode is set or reset, if it is one of `modes`.
fn note_mode(modes: &[(u16, bool)], changed: &mut u32, mode: u16, set: bool) {
    if let Some(index) = modes.iter().position(|(number, _)| *number == mode) {
        let (_, initial) = modes[index];
        *changed &= !(1 << index);
        *changed |= u32::from(set != initial) << index;
    }
}

/// Appends the modes that differ: as in an untouched terminal, or with `again` as the guest has set them.
fn write_modes(private: &str, modes: &[(u16, bool)], changed: u32, again: bool, bytes: &mut Vec<u8>) {
    for (index, (mode, initial)) in modes.iter().enumerate() {
        if changed & (1 << index) != 0 {
            let last = if *initial == again { 'l' } else { 'h' };
            bytes.extend_from_slice(format!("\x1b[{private}{mode}{last}").as_bytes());
        }
    }
}
