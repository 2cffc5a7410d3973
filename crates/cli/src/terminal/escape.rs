//! The escapes that a person types: `~.` and others at the start of a text line, as in `ssh`, `cu` and `conserver`, and `^]`
//! anywhere, as in `telnet` and `virsh`.
//!
//! What is pasted is text, whatever it contains. Two rules tell it apart:
//!
//! * A terminal with bracketed paste marks where a paste begins and ends. Nothing between the marks is an escape.
//! * Where there are no marks, an escape counts only if nothing comes right behind it. So the scanner keeps an escape until the
//!   caller says that the input is [quiet](EscapeScanner::settle). When more bytes come before that, the escape was text.
//!
//! The scanner looks at one byte at a time, so it finds an escape and a mark wherever a read begins or ends. It has no clock:
//! the caller measures how long no input has come.

use super::keys::Keys;

/// `^Z`
const SUB: u8 = 0x1a;

/// What a terminal sends before a paste and after it, each as the last six bytes of the input.
const PASTE_BEGINS: u64 = u64::from_be_bytes(*b"\0\0\x1b[200~");
const PASTE_ENDS: u64 = u64::from_be_bytes(*b"\0\0\x1b[201~");
const MARK: u64 = 0xffff_ffff_ffff;

/// What an escape asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Detach: `~.` or `^]`.
    Detach,
    /// Send a break: `~B`.
    Break,
    /// Send a break and this key: `~S` and the key.
    SysRq(u8),
    /// Take the console over: `~R`.
    TakeOver,
    /// Show who is at the console: `~W`.
    Who,
    /// Show the list of escapes: `~?`.
    Help,
    /// Suspend this process: `~^Z`.
    Suspend,
    /// Type this key: `~~` or `~^]`.
    Type(u8),
}

/// The scanner. A text line starts at the beginning of a session, after CR or LF, and after an escape.
#[derive(Debug)]
pub(crate) struct EscapeScanner {
    keys: Keys,
    /// Whether the next byte starts a text line.
    line_start: bool,
    /// The bytes of an escape, or of what may become one. They are kept until it is clear what they are.
    kept: Vec<u8>,
    /// The escape that the kept bytes are, if nothing comes right behind them.
    found: Option<Action>,
    /// Whether a paste has begun and not ended.
    pasting: bool,
    /// The last bytes of the input, to recognise the marks of a paste.
    last: u64,
    /// `line_start` before the last ESC. A mark is no text, and does not change whether a line starts.
    line_start_before: bool,
}

impl EscapeScanner {
    /// A scanner at the start of a text line.
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            line_start: true,
            kept: Vec::new(),
            found: None,
            pasting: false,
            last: 0,
            line_start_before: true,
        }
    }

    /// Takes the bytes of a read, and returns those that are text for the guest. The rest is kept: an escape, or the beginning
    /// of one.
    pub(crate) fn text(&mut self, typed: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.kept.len() + typed.len());
        for &byte in typed {
            self.take(byte, &mut text);
        }
        text
    }

    /// Whether an escape is kept that counts if nothing comes right behind it.
    pub(crate) fn has_escape(&self) -> bool {
        self.found.is_some()
    }

    /// No input has come for a moment: an escape that is kept counts. The next byte starts a text line.
    pub(crate) fn settle(&mut self) -> Option<Action> {
        let action = self.found.take()?;
        self.kept.clear();
        // A typed tilde is a character of its line.
        self.line_start = !matches!(action, Action::Type(_));
        Some(action)
    }

    /// No input has come for a long time: a paste that has begun is over, whether its end was marked or not. Otherwise the
    /// mark of a beginning, without that of an end, would switch escapes off for ever.
    pub(crate) fn pause(&mut self) {
        self.pasting = false;
    }

    /// The input starts a text line, because the guest has echoed none of what came before.
    pub(crate) fn start_line(&mut self) {
        self.line_start |= self.kept.is_empty();
    }

    fn take(&mut self, byte: u8, text: &mut Vec<u8>) {
        if self.found.is_some() {
            // A person who leaves in a hurry may press the key more than once.
            if self.kept == [byte] {
                return;
            }
            // Something comes right behind it, so it was pasted.
            self.found = None;
            for byte in std::mem::take(&mut self.kept) {
                self.pass(byte, text);
            }
        }
        if self.pasting {
            return self.pass(byte, text);
        }
        let line = self.keys.line();
        match *self.kept {
            [] if self.line_start && Some(byte) == line => self.kept.push(byte),
            [] if Some(byte) == self.keys.anywhere() => self.find(byte, Action::Detach),
            [] => self.pass(byte, text),
            [_, _] => self.find(byte, Action::SysRq(byte)),
            [first, ..] => match byte {
                b'S' => self.kept.push(byte),
                b'.' => self.find(byte, Action::Detach),
                b'B' => self.find(byte, Action::Break),
                b'R' => self.find(byte, Action::TakeOver),
                b'W' => self.find(byte, Action::Who),
                b'?' => self.find(byte, Action::Help),
                SUB => self.find(byte, Action::Suspend),
                _ if byte == first || Some(byte) == self.keys.anywhere() => {
                    self.find(byte, Action::Type(byte));
                }
                _ => {
                    self.kept.clear();
                    self.pass(first, text);
                    self.pass(byte, text);
                }
            },
        }
    }

    fn find(&mut self, byte: u8, action: Action) {
        self.kept.push(byte);
        self.found = Some(action);
    }

    /// Passes a byte on as text, and notes what it means for the bytes behind it.
    fn pass(&mut self, byte: u8, text: &mut Vec<u8>) {
        text.push(byte);
        if byte == 0x1b {
            self.line_start_before = self.line_start;
        }
        self.line_start = matches!(byte, b'\r' | b'\n');
        self.last = (self.last << 8 | u64::from(byte)) & MARK;
        if matches!(self.last, PASTE_BEGINS | PASTE_ENDS) {
            self.pasting = self.last == PASTE_BEGINS;
            self.line_start = self.line_start_before;
        }
    }
}

/// The list of escapes, as text for the user. `detach` says what detaching does.
pub(crate) fn help(keys: Keys, detach: &str) -> String {
    let Some(key) = keys.line_name() else {
        return keys
            .anywhere()
            .map_or_else(|| "no key is an escape".to_owned(), |_| format!("^]   {detach}"));
    };
    let mut escapes = vec![
        (".", detach.to_owned()),
        ("B", "send a break".to_owned()),
        ("S", "send a break and the key that follows: SysRq".to_owned()),
        ("R", "take the console over, or back".to_owned()),
        ("W", "say who is here".to_owned()),
        ("^Z", "suspend vuart".to_owned()),
        (&key, format!("type one {key}")),
    ];
    if keys.anywhere().is_some() {
        escapes.push(("^]", "type one ^]".to_owned()));
    }
    escapes.push(("?", "show this".to_owned()));
    let width = key.len() + 2;
    let mut lines = vec!["at the start of a line".to_owned()];
    lines.extend(
        escapes.iter().map(|(behind, what)| format!("  {:width$}  {what}", format!("{key}{behind}"))),
    );
    if keys.anywhere().is_some() {
        lines.push("and anywhere".to_owned());
        lines.push(format!("  {:width$}  {detach}", "^]"));
    }
    lines.join("\n")
}
