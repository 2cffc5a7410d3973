//! The escapes that a person types.

use std::fmt::Write as _;

use crate::terminal::escape::{Action, EscapeScanner};

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

/// Checks the actions for `text`, which must be the same for one read and for a read per byte.
#[track_caller]
fn check(text: &[u8], actions: &str) {
    assert_eq!(typed([text]), actions);
    assert_eq!(typed(text.chunks(1)), actions);
}

#[test]
fn each_escape_is_recognised_where_it_may_stand_and_nowhere_else() {
    for (text, actions) in [
        // At the start of a text line.
        (&b"~."[..], "[Detach]"),
        (b"ls\r~.", "ls\r[Detach]"),
        (b"ls\n~B", "ls\n[Break]"),
        (b"\r~?", "\r[Help]"),
        (b"~\x1a", "[Suspend]"),
        (b"~R~W", "[TakeOver][Who]"),
        (b"~St~S.~S~~.", "[SysRq(116)][SysRq(46)][SysRq(126)][Detach]"),
        // A tilde elsewhere is sent.
        (b"cd ~.\r", "cd ~.\r"),
        (b"x~.", "x~."),
        (b"~x~.", "~x~."),
        (b"~/bin\r", "~/bin\r"),
        // A tilde quotes a tilde and the control character.
        (b"~~.", "~."),
        (b"\r~~~.\r~.", "\r~~.\r[Detach]"),
        (b"~\x1dq", "\x1dq"),
        // A tilde that was held back is not lost.
        (b"~\r~.", "~\r[Detach]"),
        (b"~\x7f", "~\x7f"),
        // Several in one read.
        (b"~B~B~?a\r~~\r~.", "[Break][Break][Help]a\r~\r[Detach]"),
        // The control character detaches anywhere.
        (b"\x1d", "[Detach]"),
        (b"rm -r\x1d", "rm -r[Detach]"),
    ] {
        check(text, actions);
    }
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
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != 0x1d).collect();
    let out: String = all.iter().map(|byte| char::from(*byte)).collect();
    check(&all, &out);
}
