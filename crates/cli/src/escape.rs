//! The escape sequences of whoever types: as `ssh`, `cu` and `conserver` have them, and `^]` as `telnet` and `virsh` do.
//!
//! They are recognised one byte at a time, so neither how the bytes were cut into reads nor what stands before or behind
//! an escape makes a difference.

/// `^]`
const GS: u8 = 0x1d;
/// `^Z`
const SUB: u8 = 0x1a;

/// What is to be done about typed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    /// They are for the guest.
    Send(&'a [u8]),
    /// `~.` or `^]`
    Detach,
    /// `~B`
    Break,
    /// `~S` and a key
    SysRq(u8),
    /// `~R`
    TakeOver,
    /// `~W`
    Who,
    /// `~?`
    Help,
    /// `~^Z`
    Suspend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has been typed in this line yet.
    LineStart,
    /// A tilde at the start of a line, kept back until it is known what follows.
    Tilde,
    /// `~S` at the start of a line: the key comes next, whatever it is.
    SysRq,
    /// Somewhere in a line.
    Inside,
}

/// The state machine. A line starts at the beginning of a session, behind CR or LF, and behind an escape.
#[derive(Debug)]
pub(crate) struct Escape {
    state: State,
}

impl Escape {
    pub(crate) fn new() -> Self {
        Self { state: State::LineStart }
    }

    /// Takes the next piece off `typed` and says what is to be done about it; `None` when nothing is left.
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
                    // No escape: the tilde was meant for the guest, and so is the byte, which is looked at again.
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

    /// How many bytes there are before the next one that may be an escape.
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// What becomes of `typed` when it comes in these pieces: bytes as they are, escapes in brackets.
    fn typed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut escape = Escape::new();
        let mut out = String::new();
        for mut piece in pieces {
            while let Some(action) = escape.next(&mut piece) {
                match action {
                    Action::Send(bytes) => out.extend(bytes.iter().map(|byte| char::from(*byte))),
                    other => write!(out, "[{other:?}]").unwrap(),
                }
            }
        }
        out
    }

    /// The same, whether it comes at once or byte by byte.
    fn both_ways(text: &[u8]) -> String {
        let at_once = typed([text]);
        assert_eq!(at_once, typed(text.chunks(1)));
        at_once
    }

    #[test]
    fn escapes_at_the_start_of_a_line() {
        assert_eq!(both_ways(b"~."), "[Detach]");
        assert_eq!(both_ways(b"ls\r~."), "ls\r[Detach]");
        assert_eq!(both_ways(b"ls\n~B"), "ls\n[Break]");
        assert_eq!(both_ways(b"\r~?"), "\r[Help]");
        assert_eq!(both_ways(b"~\x1a"), "[Suspend]");
        assert_eq!(both_ways(b"~R~W"), "[TakeOver][Who]");
        assert_eq!(both_ways(b"~St~S.~S~~."), "[SysRq(116)][SysRq(46)][SysRq(126)][Detach]");
    }

    #[test]
    fn a_tilde_elsewhere_is_a_tilde() {
        assert_eq!(both_ways(b"cd ~.\r"), "cd ~.\r");
        assert_eq!(both_ways(b"x~."), "x~.");
        assert_eq!(both_ways(b"~x~."), "~x~.");
        assert_eq!(both_ways(b"~/bin\r"), "~/bin\r");
    }

    #[test]
    fn a_tilde_and_a_control_character_that_are_meant() {
        assert_eq!(both_ways(b"~~."), "~.");
        assert_eq!(both_ways(b"\r~~~.\r~."), "\r~~.\r[Detach]");
        assert_eq!(both_ways(b"~\x1dq"), "\x1dq");
    }

    #[test]
    fn a_tilde_that_was_kept_back_is_not_lost() {
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
    fn what_comes_behind_an_escape_is_left_to_the_caller() {
        let mut escape = Escape::new();
        let mut piece = &b"a\r~.b"[..];
        assert_eq!(escape.next(&mut piece), Some(Action::Send(b"a\r")));
        assert_eq!(escape.next(&mut piece), Some(Action::Detach));
        assert_eq!(piece, b"b");
    }

    #[test]
    fn every_byte_without_an_escape_goes_through() {
        let all: Vec<u8> = (0..=255).filter(|byte| *byte != GS).collect();
        let out: Vec<char> = all.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(both_ways(&all), out.iter().collect::<String>());
    }
}
