//! Which keys begin an escape.

/// `^]`
const GS: u8 = 0x1d;

/// The keys that begin an escape: by default `~` at the start of a text line, and `^]` anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    line: Option<u8>,
    anywhere: Option<u8>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { line: Some(b'~'), anywhere: Some(GS) }
    }
}

impl Keys {
    /// Reads a user's choice: a character, a control character spelled as in `^A`, or `none`.
    ///
    /// A character takes the place of `~`, and then it is the only one. `~` means the default. `^]` means that it alone is an
    /// escape, anywhere.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let key = match *text.as_bytes() {
            _ if text == "none" => return Ok(Self { line: None, anywhere: None }),
            [key @ b'!'..=b'~'] => key,
            [b'^', key @ (b'@'..=b'_' | b'a'..=b'z')] => key & 0x1f,
            _ => return Err("neither a character, nor a control character as in ^A, nor 'none'"),
        };
        match key {
            b'~' => Ok(Self::default()),
            GS => Ok(Self { line: None, anywhere: Some(GS) }),
            b'.' | b'?' | b'B' | b'R' | b'S' | b'W' | 0x1a => {
                Err("it has a meaning behind the escape character")
            }
            b'\r' | b'\n' | 0x1b => Err("other keys send it as well"),
            _ => Ok(Self { line: Some(key), anywhere: None }),
        }
    }

    /// The key that begins an escape at the start of a line.
    pub(crate) fn line(self) -> Option<u8> {
        self.line
    }

    /// The key that detaches anywhere.
    pub(crate) fn anywhere(self) -> Option<u8> {
        self.anywhere
    }

    /// The name of the key that begins an escape at the start of a line.
    pub(crate) fn line_name(self) -> Option<String> {
        self.line.map(|key| match key {
            0..=0x1f => format!("^{}", char::from(key | 0x40)),
            _ => char::from(key).to_string(),
        })
    }

    /// What one types to detach, if there is something.
    pub(crate) fn detach(self) -> Option<String> {
        self.behind('.').or_else(|| self.anywhere.map(|_| "^]".to_owned()))
    }

    /// What one types to take the console over, if there is something.
    pub(crate) fn take_over(self) -> Option<String> {
        self.behind('R')
    }

    /// How to leave a session, in words. `detaching` says what leaving does.
    pub(crate) fn how_to_leave(self, detaching: &str) -> String {
        match (self.behind('?'), self.detach()) {
            (Some(help), Some(detach)) => format!("{detach} {detaching}, {help} helps"),
            (_, Some(detach)) => format!("{detach} {detaching}"),
            (_, None) => format!("no key is an escape: a signal {detaching}"),
        }
    }

    fn behind(self, letter: char) -> Option<String> {
        self.line_name().map(|name| format!("{name}{letter}"))
    }
}
