//! Which escapes a person can type, and that none can be pasted.

use std::fmt::Write as _;

use crate::terminal::escape::{Action, EscapeScanner, help};
use crate::terminal::keys::Keys;

const BEGINS: &[u8] = b"\x1b[200~";
const ENDS: &[u8] = b"\x1b[201~";

/// What becomes of some reads: text as it is, actions in brackets. After each read that `quiet` says so of, no input comes for
/// a moment.
fn typed(keys: Keys, reads: &[&[u8]], quiet: impl Fn(usize) -> bool) -> String {
    let mut scanner = EscapeScanner::new(keys);
    let mut out = String::new();
    for (index, read) in reads.iter().enumerate() {
        out.extend(scanner.text(read).iter().map(|byte| char::from(*byte)));
        if quiet(index) {
            match scanner.settle() {
                None => {}
                Some(Action::Type(key)) => out.push(key.into()),
                Some(action) => write!(out, "[{action:?}]").unwrap(),
            }
        }
    }
    out
}

/// Checks what becomes of a text that is typed key by key, by a person.
#[track_caller]
fn check(text: &[u8], expected: &str) {
    let reads: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(typed(Keys::default(), &reads, |_| true), expected);
}

/// Checks what becomes of a text that comes at once, in every division into two reads, and byte by byte.
#[track_caller]
fn check_at_once(text: &[u8], expected: &str) {
    let reads: Vec<&[u8]> = text.chunks(1).collect();
    let last = reads.len() - 1;
    assert_eq!(typed(Keys::default(), &reads, |index| index == last), expected);
    for division in 0..text.len() {
        let (first, second) = text.split_at(division);
        let divided = typed(Keys::default(), &[first, second], |index| index == 1);
        assert_eq!(divided, expected, "divided at {division}");
    }
}

#[test]
fn each_escape_is_recognised_where_it_may_stand_and_nowhere_else() {
    for (text, expected) in [
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
        (b"~B~B~?a\r~~\r~.", "[Break][Break][Help]a\r~\r[Detach]"),
        // The control character detaches anywhere.
        (b"\x1d", "[Detach]"),
        (b"rm -r\x1d", "rm -r[Detach]"),
    ] {
        check(text, expected);
    }
}

#[test]
fn every_other_byte_is_sent_unchanged() {
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != 0x1d).collect();
    let out: String = all.iter().map(|byte| char::from(*byte)).collect();
    check(&all, &out);
    check_at_once(&all, &out);
}

#[test]
fn f11_an_escape_with_bytes_right_behind_it_is_text() {
    for (text, expected) in [
        (&b"ls\r~."[..], "ls\r[Detach]"),
        (b"\x1d", "[Detach]"),
        (b"a\r~.b\r", "a\r~.b\r"),
        (b"\r~.\r", "\r~.\r"),
        (b"\r~B~.", "\r~B~."),
        (b"\r~Sbx", "\r~Sbx"),
        (b"\r~Sb", "\r[SysRq(98)]"),
        (b"\r~\x1abg\r", "\r~\x1abg\r"),
        (b"a\x1db", "a\x1db"),
        // What is pasted is not shortened by a quote either.
        (b"\r~~.\r", "\r~~.\r"),
        (b"\r~\x1d\r", "\r~\x1d\r"),
        // The text before it does not matter, nor does a line that an escape in it has begun.
        (b"\r~Sb\r~.", "\r~Sb\r[Detach]"),
        (b"\r~S\r~.", "\r~S\r[Detach]"),
        // A key that is pressed more than once is no paste.
        (b"ls\x1d\x1d\x1d", "ls[Detach]"),
        (b"ls\x1d\x1dx", "ls\x1dx"),
    ] {
        check_at_once(text, expected);
    }
}

#[test]
fn f11_between_the_marks_of_a_paste_nothing_is_an_escape() {
    let shown = |text: &[u8]| text.iter().map(|byte| char::from(*byte)).collect::<String>();
    for pasted in [&b"a\r~."[..], b"~.", b"\r~Sb", b"\x1d", b"\r~\x1a", b"\r~~", b"", b"\x1b[20~\r~."] {
        let paste = [BEGINS, pasted, ENDS].concat();
        let reads: Vec<&[u8]> = paste.chunks(1).collect();
        // Even if each byte comes alone, as over a slow line.
        assert_eq!(typed(Keys::default(), &reads, |_| true), shown(&paste));
        check_at_once(&paste, &shown(&paste));
        // An escape that is typed afterwards counts, if the paste has ended its line.
        let paste = [BEGINS, pasted, b"\r", ENDS].concat();
        check(&[&paste, &b"~."[..]].concat(), &(shown(&paste) + "[Detach]"));
    }
    // An empty paste is no text, so the line has not begun.
    check(&[BEGINS, ENDS, b"~."].concat(), &(shown(BEGINS) + &shown(ENDS) + "[Detach]"));
}

#[test]
fn f11_a_paste_that_contains_its_own_end_is_text_all_the_same() {
    // Terminals should remove the mark from what is pasted, and some don't.
    let paste = [BEGINS, b"x", ENDS, b"\r~.\r", ENDS].concat();
    let expected: String = paste.iter().map(|byte| char::from(*byte)).collect();
    check_at_once(&paste, &expected);
}

#[test]
fn f11_a_paste_without_an_end_is_over_after_a_pause() {
    let mut scanner = EscapeScanner::new(Keys::default());
    assert_eq!(scanner.text(&[BEGINS, b"\r\x1d~."].concat()), [BEGINS, b"\r\x1d~."].concat());
    assert_eq!(scanner.settle(), None);
    scanner.pause();
    assert_eq!(scanner.text(b"\r~."), b"\r");
    assert_eq!(scanner.settle(), Some(Action::Detach));
}

#[test]
fn f18_another_key_takes_the_place_of_both_or_none_does() {
    let keys = |text| Keys::parse(text).unwrap();
    let all = |keys, text: &[u8]| typed(keys, &text.chunks(1).collect::<Vec<_>>(), |_| true);
    assert_eq!(keys("~"), Keys::default());
    assert_eq!(all(keys("%"), b"~.\x1d\r%B%%.\r%\x1d\r%."), "~.\x1d\r[Break]%.\r%\x1d\r[Detach]");
    assert_eq!(all(keys("^A"), b"\x01?\x01\x01\r\x01.x\x01."), "[Help]\x01\r[Detach]x\x01.");
    assert_eq!(keys("^a"), keys("^A"));
    assert_eq!(all(keys("^]"), b"~.\r~\x1d"), "~.\r~[Detach]");
    assert_eq!(all(keys("none"), b"~.\r~.\x1d"), "~.\r~.\x1d");
    for wrong in ["", "ab", "^", "^^^", "é", " ", "^M", "^[", "^?", "^1", "S", ".", "^Z", "None"] {
        assert_eq!(Keys::parse(wrong).is_err(), wrong != "^", "{wrong}");
    }
    assert_eq!(keys("^").line(), Some(b'^'));
}

#[test]
fn f18_the_help_names_the_keys_that_were_chosen() {
    let named = |text| help(Keys::parse(text).unwrap(), "detach");
    assert!(named("~").contains("\n  ~~   type one ~\n  ~^]  type one ^]\n"), "{}", named("~"));
    assert!(named("~").ends_with("and anywhere\n  ^]   detach"));
    assert!(named("%").contains("  %.   detach\n") && !named("%").contains(['~', ']']));
    assert!(named("^A").contains("  ^A^A  type one ^A\n"), "{}", named("^A"));
    assert_eq!(named("^]"), "^]   detach");
    assert_eq!(Keys::parse("^A").unwrap().how_to_leave("detaches"), "^A. detaches, ^A? helps");
    assert_eq!(Keys::parse("^]").unwrap().how_to_leave("detaches"), "^] detaches");
    assert!(Keys::parse("none").unwrap().how_to_leave("detaches").contains("a signal detaches"));
}
