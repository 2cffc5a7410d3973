//! Line editing: what each typed character does.

/// The longest line, in bytes.
const LINE_MAX: usize = 8191;

/// What to do after a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &[u8]) -> (Vec<Action>, Vec<u8>) {
        let mut editor = Editor::new();
        let actions = text.iter().map(|character| editor.type_character(*character)).collect();
        (actions, editor.line)
    }

    #[test]
    fn backspace_and_delete_erase_and_do_nothing_at_the_start() {
        assert_eq!(typed(b"ab\x08").1, b"a");
        assert_eq!(typed(b"ab\x7f\x7f").1, b"");
        assert_eq!(typed(b"\x08"), (vec![Action::Erase(0)], vec![]));
    }

    #[test]
    fn one_backspace_erases_one_character_of_utf8() {
        assert_eq!(typed("a€\x08".as_bytes()).1, b"a");
        // Continuation bytes without a beginning.
        assert_eq!(
            typed(b"\x80\x80\x08"),
            (vec![Action::Echo(0x80), Action::Echo(0x80), Action::Erase(1)], vec![])
        );
    }

    #[test]
    fn the_kill_character_erases_as_many_as_there_are() {
        assert_eq!(typed("a€b\x15".as_bytes()).0.last(), Some(&Action::Erase(3)));
    }

    #[test]
    fn cr_lf_ends_one_line() {
        use Action::{Complete, Ignore};
        assert_eq!(typed(b"\r\n\r\r\n\n").0, [Complete, Ignore, Complete, Complete, Ignore, Complete]);
    }

    #[test]
    fn keys_that_send_sequences_are_ignored() {
        assert_eq!(typed(b"a\x1b[Ab\x1b[1;5Dc\x1bOPd\x1bxe\x1b[200~f").1, b"abcdef");
        // A control character is not part of any sequence.
        assert_eq!(typed(b"a\x1b[1\x08b").1, b"b");
        assert_eq!(typed(b"\x1b\x1b[Aa").1, b"a");
    }

    #[test]
    fn other_control_characters_are_ignored_and_a_tab_is_a_space() {
        assert_eq!(typed(b"a\0\x01\x04\x0c\x1a\x1fb\tc").1, b"ab c");
    }

    #[test]
    fn a_full_line_rings_the_bell() {
        let (actions, line) = typed(&[b'x'; LINE_MAX + 1]);
        assert_eq!((actions.last(), line.len()), (Some(&Action::Bell), LINE_MAX));
    }
}
