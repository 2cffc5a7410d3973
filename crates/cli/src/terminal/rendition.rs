//! The part of a terminal's state that is saved and restored with the cursor: attributes, character set, origin mode.

use super::sequence::{Parts, number};

/// How many bytes of attribute sequences are kept.
const ATTRIBUTES_MAX: usize = 512;

/// What is saved and restored with the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rendition {
    /// The attributes that are on, as a bit for each [`kind`].
    attributes: u32,
    /// The sequences that have set the attributes.
    set_by: Vec<u8>,
    /// The character set G0, unless it is ASCII.
    pub(super) charset: Option<u8>,
    /// Whether SO has selected G1 instead of G0.
    pub(super) shifted: bool,
    /// Whether lines are counted from the first line of the scrolling region.
    pub(super) origin: bool,
}

impl Rendition {
    /// The state of an untouched terminal.
    pub(super) const fn new() -> Self {
        Self { attributes: 0, set_by: Vec::new(), charset: None, shifted: false, origin: false }
    }

    /// Appends what turns off everything that is on in this state or in the other, except the origin mode.
    pub(super) fn off(&self, other: &Self, bytes: &mut Vec<u8>) {
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

    /// Appends what turns it on again.
    pub(super) fn on(&self, bytes: &mut Vec<u8>) {
        if let Some(set) = self.charset {
            bytes.extend_from_slice(&[0x1b, b'(', set]);
        }
        if self.shifted {
            bytes.push(0x0e);
        }
        bytes.extend_from_slice(&self.set_by);
    }

    /// Notes a sequence that sets attributes (SGR).
    pub(super) fn note_attributes(&mut self, sequence: &[u8], parts: Parts<'_>) {
        let mut parameters = parts.parameters.split(|byte| *byte == b';');
        while let Some(parameter) = parameters.next() {
            // The first subparameter says which attribute is set; only "no underline" depends on the second.
            let mut numbers = parameter.split(|byte| *byte == b':').map(number);
            let (first, second) = (numbers.next().flatten().unwrap_or(0), numbers.next().flatten());
            match (first, second) {
                (0, _) => self.attributes = 0,
                (4, Some(0)) => self.attributes &= !underline(),
                // The parameters that follow are a colour's number or parts, and not attributes.
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

/// The bit of an attribute's kind. Attributes that end together share a bit.
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
        // An unknown attribute: only 0 is known to end it.
        _ => 31,
    }
}

/// The kinds that this parameter turns off, if it turns any off.
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
