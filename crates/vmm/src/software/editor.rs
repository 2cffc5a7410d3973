//! Line editing: what each typed character does.

/// The longest line, in bytes.
const LINE_MAX: usize = 8191;

/// What to do after a character.
pub(super) enum Action {
    /// Nothing.
    Ignore,
    /// The character has been added: show it.
    Echo(u8),
    /// The line is full: ring the bell.
    Bell,
    /// This many characters have been removed: erase them on the screen.
    Erase(usize),
    /// The line is abandoned: begin a new line.
    Abandon,
    /// The line is complete.
    Complete,
}

/// The position in an escape sequence. Keys send `ESC [ ... final` and `ESC O x`; any other `ESC x` is taken for two
/// characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    Esc,
    Csi,
    Ss3,
}

/// The line that is being typed.
#[derive(Debug)]
pub(super) struct Editor {
    line: Vec<u8>,
    escape: Escape,
    after_cr: bool,
}

impl Editor {
    /// An empty line.
    pub(super) fn new() -> Self {
        Self { line: Vec::new(), escape: Escape::No, after_cr: false }
    }

    /// The line.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Begins a new line.
    pub(super) fn clear(&mut self) {
        self.line.clear();
        self.escape = Escape::No;
    }

    /// Takes a character.
    pub(super) fn type_character(&mut self, character: u8) -> Action {
        let after_cr = std::mem::replace(&mut self.after_cr, false);
        match character {
            b' '..=b'~' | 0x80..=0xff if self.escape == Escape::No => self.take(character),
            b' '..=b'~' | 0x80..=0xff => {
                self.escape = match (self.escape, character) {
                    (Escape::Esc, b'O') => Escape::Ss3,
                    // `[`, and its parameters.
                    (Escape::Esc, b'[') | (Escape::Csi, ..0x40) => Escape::Csi,
                    _ => Escape::No,
                };
                Action::Ignore
            }
            // A control character also ends an escape sequence.
            _ => {
                self.escape = Escape::No;
                self.control(character, after_cr)
            }
        }
    }

    fn control(&mut self, character: u8, after_cr: bool) -> Action {
        match character {
            b'\r' => {
                self.after_cr = true;
                Action::Complete
            }
            b'\n' if after_cr => Action::Ignore, // it is part of CR LF
            b'\n' => Action::Complete,
            0x08 | 0x7f => Action::Erase(usize::from(self.erase())),
            0x15 => Action::Erase(std::iter::from_fn(|| self.erase().then_some(())).count()),
            0x03 => Action::Abandon,
            0x1b => {
                self.escape = Escape::Esc;
                Action::Ignore
            }
            b'\t' => self.take(b' '), // in pasted text; a space keeps the words apart
            _ => Action::Ignore,
        }
    }

    fn take(&mut self, character: u8) -> Action {
        if self.line.len() == LINE_MAX {
            return Action::Bell;
        }
        self.line.push(character);
        Action::Echo(character)
    }

    /// Removes the last character, if there is one. A UTF-8 sequence is one character; its continuation bytes are 10xxxxxx.
    fn erase(&mut self) -> bool {
        let Some(mut last) = self.line.pop() else { return false };
        while last & 0xc0 == 0x80 {
            let Some(before) = self.line.pop() else { break };
            last = before;
        }
        true
    }
}
