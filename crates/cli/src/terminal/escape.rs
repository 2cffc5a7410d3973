//! The escapes that a person types: `~.` and others at the start of a text line, as in `ssh`, `cu` and `conserver`, and `^]`
//! anywhere, as in `telnet` and `virsh`.
//!
//! The scanner looks at one byte at a time. It finds an escape wherever a read begins or ends, and whatever stands around it.

/// `^]`
const GS: u8 = 0x1d;
/// `^Z`
const SUB: u8 = 0x1a;

/// What to do with a piece of the typed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    /// Send these bytes to the guest.
    Send(&'a [u8]),
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a text line.
    LineStart,
    /// After a tilde at the start of a text line. The tilde is held back until the next byte decides what it means.
    Tilde,
    /// After `~S` at the start of a text line. The next byte is the key, whatever it is.
    SysRq,
    /// Inside a text line.
    Inside,
}

/// The scanner. A text line starts at the beginning of a session, after CR or LF, and after an escape.
#[derive(Debug)]
pub(crate) struct EscapeScanner {
    state: State,
}

impl EscapeScanner {
    /// A scanner at the start of a text line.
    pub(crate) fn new() -> Self {
        Self { state: State::LineStart }
    }

    /// Takes the next piece off `typed` and returns what to do with it. Returns `None` when nothing is left.
    pub(crate) fn next<'a>(&mut self, typed: &mut &'a [u8]) -> Option<Action<'a>> {
        loop {
            let (&byte, rest) = typed.split_first()?;
            match (self.state, byte) {
                (State::LineStart, b'~') => {
                    self.state = State::Tilde;
                    *typed = rest;
                }
                (State::Tilde, b'S') => {
                    self.state = State::SysRq;
                    *typed = rest;
                }
                (State::SysRq, key) => {
                    self.state = State::LineStart;
                    *typed = rest;
                    return Some(Action::SysRq(key));
                }
                (State::Tilde, b'.' | b'B' | b'R' | b'W' | b'?' | SUB) => {
                    self.state = State::LineStart;
                    *typed = rest;
                    return Some(match byte {
                        b'.' => Action::Detach,
                        b'B' => Action::Break,
                        b'R' => Action::TakeOver,
                        b'W' => Action::Who,
                        b'?' => Action::Help,
                        _ => Action::Suspend,
                    });
                }
                (State::Tilde, b'~' | GS) => {
                    let (meant, rest) = typed.split_at(1);
                    self.state = State::Inside;
                    *typed = rest;
                    return Some(Action::Send(meant));
                }
                (State::Tilde, _) => {
                    // Not an escape: the tilde is for the guest. The byte stays in `typed` and is looked at again.
                    self.state = State::Inside;
                    return Some(Action::Send(b"~"));
                }
                (_, GS) => {
                    self.state = State::LineStart;
                    *typed = rest;
                    return Some(Action::Detach);
                }
                _ => {
                    let (plain, rest) = typed.split_at(self.plain(typed));
                    *typed = rest;
                    return Some(Action::Send(plain));
                }
            }
        }
    }

    /// The number of bytes before the next byte that may begin an escape.
    fn plain(&mut self, typed: &[u8]) -> usize {
        for (index, byte) in typed.iter().enumerate() {
            match (self.state, byte) {
                (_, &GS) | (State::LineStart, b'~') => return index,
                (_, b'\r' | b'\n') => self.state = State::LineStart,
                _ => self.state = State::Inside,
            }
        }
        typed.len()
    }
}

/// The list of escapes, as text for the user. `detach` says what detaching does.
pub(crate) fn help(detach: &str) -> String {
    format!(
        "at the start of a line\n  \
           ~.   {detach}\n  \
           ~B   send a break\n  \
           ~S   send a break and the key that follows: SysRq\n  \
           ~R   take the console over, or back\n  \
           ~W   say who is here\n  \
           ~^Z  suspend vuart\n  \
           ~~   type one ~\n  \
           ~^]  type one ^]\n  \
           ~?   show this\n\
         and anywhere\n  \
           ^]   {detach}"
    )
}
