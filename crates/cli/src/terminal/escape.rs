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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The actions for `typed` when it arrives in these pieces: bytes to send as they are, other actions in brackets.
    fn typed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut scanner = EscapeScanner::new();
        let mut out = String::new();
        for mut piece in pieces {
            while let Some(action) = scanner.next(&mut piece) {
                match action {
                    Action::Send(bytes) => out.extend(bytes.iter().map(|byte| char::from(*byte))),
                    other => write!(out, "[{other:?}]").unwrap(),
                }
            }
        }
        out
    }

    /// The actions for `text`, which must be the same for one read and for a read per byte.
    fn both_ways(text: &[u8]) -> String {
        let at_once = typed([text]);
        assert_eq!(at_once, typed(text.chunks(1)));
        at_once
    }

    #[test]
    fn an_escape_stands_at_the_start_of_a_text_line() {
        assert_eq!(both_ways(b"~."), "[Detach]");
        assert_eq!(both_ways(b"ls\r~."), "ls\r[Detach]");
        assert_eq!(both_ways(b"ls\n~B"), "ls\n[Break]");
        assert_eq!(both_ways(b"\r~?"), "\r[Help]");
        assert_eq!(both_ways(b"~\x1a"), "[Suspend]");
        assert_eq!(both_ways(b"~R~W"), "[TakeOver][Who]");
        assert_eq!(both_ways(b"~St~S.~S~~."), "[SysRq(116)][SysRq(46)][SysRq(126)][Detach]");
    }

    #[test]
    fn a_tilde_elsewhere_is_sent() {
        assert_eq!(both_ways(b"cd ~.\r"), "cd ~.\r");
        assert_eq!(both_ways(b"x~."), "x~.");
        assert_eq!(both_ways(b"~x~."), "~x~.");
        assert_eq!(both_ways(b"~/bin\r"), "~/bin\r");
    }

    #[test]
    fn a_tilde_quotes_a_tilde_and_the_control_character() {
        assert_eq!(both_ways(b"~~."), "~.");
        assert_eq!(both_ways(b"\r~~~.\r~."), "\r~~.\r[Detach]");
        assert_eq!(both_ways(b"~\x1dq"), "\x1dq");
    }

    #[test]
    fn a_tilde_that_was_held_back_is_not_lost() {
        assert_eq!(both_ways(b"~\r~."), "~\r[Detach]");
        assert_eq!(both_ways(b"~\x7f"), "~\x7f");
    }

    #[test]
    fn several_escapes_in_one_read() {
        assert_eq!(both_ways(b"~B~B~?a\r~~\r~."), "[Break][Break][Help]a\r~\r[Detach]");
    }

    #[test]
    fn the_control_character_detaches_anywhere() {
        assert_eq!(both_ways(b"\x1d"), "[Detach]");
        assert_eq!(both_ways(b"rm -r\x1d"), "rm -r[Detach]");
    }

    #[test]
    fn bytes_after_an_escape_are_left_to_the_caller() {
        let mut scanner = EscapeScanner::new();
        let mut piece = &b"a\r~.b"[..];
        assert_eq!(scanner.next(&mut piece), Some(Action::Send(b"a\r")));
        assert_eq!(scanner.next(&mut piece), Some(Action::Detach));
        assert_eq!(piece, b"b");
    }

    #[test]
    fn every_other_byte_is_sent_unchanged() {
        let all: Vec<u8> = (0..=255).filter(|byte| *byte != GS).collect();
        let out: Vec<char> = all.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(both_ways(&all), out.iter().collect::<String>());
    }
}
