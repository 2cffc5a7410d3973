//! What a peer has said for people to read. It is cleaned here, before anybody can print it.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use vuart_endpoint::Printable;

/// Text for people that a peer has chosen, such as an error's message or a console's name. Use it as a `str`.
///
/// A peer may be hostile, and whatever it says ends up on somebody's terminal or in a log. So the text is cleaned when it is
/// made, which includes when it is received: it has at most [`Said::MAX`] characters, and those that are not
/// [printable](vuart_endpoint::is_printable) become escapes.
///
/// ```
/// use vuart_wire::Said;
/// let said = Said::from("\x1b]0;owned\x07 no\u{202e}");
/// assert_eq!(&*said, r"\u{1b}]0;owned\u{7} no\u{202e}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Said(String);

impl Said {
    /// The most characters. What is longer ends with `...`.
    pub const MAX: usize = 400;
}

impl From<&str> for Said {
    fn from(text: &str) -> Self {
        const MORE: &str = "...";
        // At least one character comes of each, so no more need to be looked at.
        let ahead = text.char_indices().nth(Self::MAX + 1).map_or(text, |(end, _)| &text[..end]);
        let mut clean = Printable(ahead).to_string();
        if clean.chars().count() > Self::MAX {
            clean = clean.chars().take(Self::MAX - MORE.len()).chain(MORE.chars()).collect();
        }
        Self(clean)
    }
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Said> for String {
    fn from(said: Said) -> Self {
        said.0
    }
}

impl PartialEq<str> for Said {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Said {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl Deref for Said {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_said_text_is_short_and_stays_as_it_is() {
        for text in ["", "vm0", &"x".repeat(400), &"x".repeat(401), &"\u{9b}".repeat(1 << 16)] {
            let said = Said::from(text);
            assert!(said.chars().count() <= Said::MAX);
            assert_eq!(Said::from(&*said), said);
            assert_eq!(said.ends_with("..."), text.chars().count() > 400);
        }
        assert_eq!(&*Said::from("é 李".to_owned()), "é 李");
    }
}
