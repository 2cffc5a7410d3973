//! Which characters may be shown to people when somebody else has chosen them. This is the one rule for labels, for what a
//! server says, and for the names of files.

use std::fmt;

/// Whether a character that somebody else has chosen may be shown as it is: a space, visible ASCII, or a letter or digit of
/// any script.
///
/// All others are refused. A terminal obeys control characters, C1 (U+0080 to U+009F) among them. Characters that are
/// invisible, or that reverse the direction of the text, make one text look like another.
///
/// ```
/// use vuart_endpoint::is_printable;
/// assert!("Zoë 李 <ops@vm-0>".chars().all(is_printable));
/// assert!(!"\n\u{1b}\u{7f}\u{9b}\u{ad}\u{61c}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}".chars().any(is_printable));
/// ```
pub fn is_printable(c: char) -> bool {
    // Four Hangul fillers count as letters but are invisible.
    let filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    c == ' ' || c.is_ascii_graphic() || (c.is_alphanumeric() && !filler)
}

/// Displays text that somebody else has chosen. Use it for a message that contains such text. Characters that are not
/// [printable](is_printable) appear as escapes, so a reader sees that they were there.
///
/// ```
/// use vuart_endpoint::Printable;
/// assert_eq!(Printable("\x1b[2Jok\u{202e}").to_string(), r"\u{1b}[2Jok\u{202e}");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().try_for_each(|c| {
            if is_printable(c) { f.write_char(c) } else { write!(f, "{}", c.escape_unicode()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule, against the ranges that terminals obey or that reorder or hide text. The list is of Unicode 16: the categories
    /// Cc, Cf, Zl, Zp, variation selectors, and blanks that are no spaces.
    #[test]
    fn f12_nothing_that_a_terminal_obeys_or_hides_is_printable() {
        let refused = [
            0x00..=0x1f,
            0x7f..=0xa0,
            0xad..=0xad,
            0x34f..=0x34f,
            0x600..=0x605,
            0x61c..=0x61c,
            0x6dd..=0x6dd,
            0x70f..=0x70f,
            0x115f..=0x1160,
            0x17b4..=0x17b5,
            0x180b..=0x180f,
            0x2000..=0x200f,
            0x2028..=0x202f,
            0x205f..=0x206f,
            0x2800..=0x2800,
            0x3000..=0x3000,
            0x3164..=0x3164,
            0xe000..=0xf8ff,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xffa0..=0xffa0,
            0xfff0..=0xffff,
            0x110bd..=0x110bd,
            0x13430..=0x1343f,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0x10_ffff,
        ];
        for c in refused.into_iter().flatten().filter_map(char::from_u32) {
            assert!(!is_printable(c), "{:?}", u32::from(c));
            assert!(Printable(&c.to_string()).to_string().is_ascii());
        }
    }

    #[test]
    fn f12_cleaned_text_stays_as_it_is() {
        let once = Printable("a\r\n\u{9d}0;x\u{7}b").to_string();
        assert_eq!(once, r"a\u{d}\u{a}\u{9d}0;x\u{7}b");
        assert_eq!(Printable(&once).to_string(), once);
    }
}
