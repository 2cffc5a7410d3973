//! What a guest has left on in the operator's terminal, and what turns it off again.

use crate::sequence::{Parts, Token};

/// The private modes that are looked after, with what they are in a terminal that nobody has touched. The screens come
/// first: the modes of the other one are none of ours.
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

/// Of these, the screens.
const SCREENS: u32 = 0b111;

/// The same of the other modes: the keyboard locked, insertion, no local echo, CR with each LF.
const MODES: [(u16, bool); 4] = [(2, false), (4, false), (12, true), (20, false)];

/// How many bytes of attributes are kept for [`Modes::on`].
const ATTRIBUTES_MAX: usize = 512;

/// What is not as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// A bit for each of the private modes, in their order.
    private: u32,
    /// The same of the others.
    others: u32,
    keypad: bool,
    /// The region that scrolls, as it was set.
    region: Option<Vec<u8>>,
    /// The shape of the cursor, as it was set.
    cursor: Option<Vec<u8>>,
    rendition: Rendition,
    /// What was saved with the cursor, on the main screen and on the other one.
    saved: [Rendition; 2],
}

/// What is saved and restored with the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rendition {
    /// A bit for each kind of attribute.
    attributes: u32,
    /// The sequences that have set them.
    set_by: Vec<u8>,
    /// G0, where it is not ASCII.
    charset: Option<u8>,
    /// SO: G1 in the place of G0.
    shifted: bool,
    /// Lines are counted from the region's first.
    origin: bool,
}

impl Modes {
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

    /// Takes note of what is written.
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

    /// A soft reset. Whether it resets the automatic line feed is not the same everywhere, so that stays noted.
    fn reset(&mut self) {
        for (mode, initial) in [(1, false), (25, true)] {
            note_mode(&PRIVATE_MODES, &mut self.private, mode, initial);
        }
        self.others &= !0b11;
        self.keypad = false;
        self.region = None;
        self.rendition = Rendition::new();
    }

    /// Turns off what is on, and nothing else. Afterwards the main screen is shown, and the cursor stands where the guest
    /// left it there, or at the screen's end where nobody knows.
    pub(crate) fn off(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.rendition.origin {
            bytes.extend_from_slice(b"\x1b[?6l");
        }
        if self.region.is_some() {
            bytes.extend_from_slice(b"\x1b[r");
        }
        if !bytes.is_empty() {
            // Each of these has moved the cursor to the first line.
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

    /// What it may bring back to leave the other screen: what was saved on the main one.
    fn brought_back(&self) -> &Rendition {
        let [main, _] = &self.saved;
        if self.private & SCREENS == 0 { &self.rendition } else { main }
    }

    /// Turns on again what [`off`](Self::off) turns off. What was on the screen does not come back by that.
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

/// Notes a mode that is set or reset, if it is one of these.
fn note_mode(modes: &[(u16, bool)], changed: &mut u32, mode: u16, set: bool) {
    if let Some(index) = modes.iter().position(|(number, _)| *number == mode) {
        let (_, initial) = modes[index];
        *changed &= !(1 << index);
        *changed |= u32::from(set != initial) << index;
    }
}

/// Writes those modes that have changed: as they were at first, or `again` as they were set.
fn write_modes(private: &str, modes: &[(u16, bool)], changed: u32, again: bool, bytes: &mut Vec<u8>) {
    for (index, (mode, initial)) in modes.iter().enumerate() {
        if changed & (1 << index) != 0 {
            let last = if *initial == again { 'l' } else { 'h' };
            bytes.extend_from_slice(format!("\x1b[{private}{mode}{last}").as_bytes());
        }
    }
}

impl Rendition {
    const fn new() -> Self {
        Self { attributes: 0, set_by: Vec::new(), charset: None, shifted: false, origin: false }
    }

    /// Turns off what is on in this one or in the other, but for the origin.
    fn off(&self, other: &Self, bytes: &mut Vec<u8>) {
        if self.shifted || other.shifted {
            bytes.push(0x0f);
        }
        if self.charset.is_some() || other.charset.is_some() {
            bytes.extend_from_slice(b"\x1b(B");
        }
        if self.attributes != 0 || other.attributes != 0 {
            bytes.extend_from_slice(b"\x1b[m");
        }
    }

    /// Turns it on again.
    fn on(&self, bytes: &mut Vec<u8>) {
        if let Some(set) = self.charset {
            bytes.extend_from_slice(&[0x1b, b'(', set]);
        }
        if self.shifted {
            bytes.push(0x0e);
        }
        bytes.extend_from_slice(&self.set_by);
    }

    fn note_attributes(&mut self, sequence: &[u8], parts: Parts<'_>) {
        let mut parameters = parts.parameters.split(|byte| *byte == b';');
        while let Some(parameter) = parameters.next() {
            // A parameter of parameters sets what its first one says, but for "no underline".
            let mut numbers = parameter.split(|byte| *byte == b':').map(crate::sequence::number);
            let (first, second) = (numbers.next().flatten().unwrap_or(0), numbers.next().flatten());
            match (first, second) {
                (0, _) => self.attributes = 0,
                (4, Some(0)) => self.attributes &= !underline(),
                // A colour by number or by its parts, which are no attributes.
                (38 | 48 | 58, None) => {
                    self.attributes |= kind(first);
                    match parameters.next() {
                        Some(b"5") => drop(parameters.next()),
                        Some(b"2") => drop(parameters.nth(2)),
                        _ => {}
                    }
                }
                _ => match ended_by(first) {
                    Some(kinds) => self.attributes &= !kinds,
                    None => self.attributes |= kind(first),
                },
            }
        }
        if self.attributes == 0 {
            self.set_by.clear();
            return;
        }
        if self.set_by.len() + sequence.len() > ATTRIBUTES_MAX {
            self.set_by.clear();
        }
        self.set_by.extend_from_slice(sequence);
    }
}

fn underline() -> u32 {
    kind(4)
}

/// The bit of an attribute's kind: two that end together share one.
fn kind(attribute: u16) -> u32 {
    1 << match attribute {
        1 | 2 => 0,
        3 | 20 => 1,
        4 | 21 => 2,
        5 | 6 => 3,
        7 => 4,
        8 => 5,
        9 => 6,
        11..=19 => 7,
        26 => 8,
        30..=38 | 90..=97 => 9,
        40..=48 | 100..=107 => 10,
        51 | 52 => 11,
        53 => 12,
        58 => 13,
        60..=64 => 14,
        73 | 74 => 15,
        // Whatever it is, only 0 is known to end it.
        _ => 31,
    }
}

/// The kinds that this parameter ends.
fn ended_by(parameter: u16) -> Option<u32> {
    let attribute = match parameter {
        10 => 11,
        22 => 1,
        23 => 3,
        24 => 4,
        25 => 5,
        27 => 7,
        28 => 8,
        29 => 9,
        39 => 30,
        49 => 40,
        50 => 26,
        54 => 51,
        55 => 53,
        59 => 58,
        65 => 60,
        75 => 73,
        _ => return None,
    };
    Some(kind(attribute))
}

#[cfg(test)]
mod tests;
