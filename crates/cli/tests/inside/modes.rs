//! Which modes count as left on, and which sequences turn them off.

use crate::terminal::modes::Modes;
use crate::terminal::sequence::Parser;

fn after(text: &[u8]) -> Modes {
    let mut modes = Modes::new();
    Parser::new().feed(text, |token| modes.note(token));
    modes
}

#[track_caller]
fn check(text: &[u8], off: &str) {
    let modes = after(text);
    assert_eq!(String::from_utf8(modes.off()).unwrap(), off, "of {}", text.escape_ascii());
    // After `off` nothing is on; after `on` the same modes are on as before.
    let off = [text, &modes.off()].concat();
    assert!(after(&off).off().is_empty(), "of {}", off.escape_ascii());
    let again = after(&[off, modes.on()].concat());
    assert_eq!(again.off(), modes.off(), "of {}", text.escape_ascii());
}

#[test]
fn a_guest_that_cleans_up_leaves_nothing_on() {
    for text in [
        &b"login: \x1b[H\x1b[2J\x1b[10;10H"[..],
        b"\x1b[1;31mred\x1b[0m",
        b"\x1b[1;31mred\x1b[39;22m",
        b"\x1b[38;5;208;1m\x1b[m",
        b"\x1b[4:3m\x1b[4:0m",
        b"\x1b[?1049h\x1b[1m\x1b[?25l\x1b[m\x1b[?25h\x1b[?1049l",
        b"\x1b[?1h\x1b=\x1b[?1l\x1b>",
        b"\x1b[2;10r\x1b[r\x1b[?6h\x1b[?6l",
        b"\x0e\x1b(0\x1b(B\x0f",
        b"\x1b[?7l\x1b[?7h\x1b[4h\x1b[4l\x1b[4 q\x1b[0 q",
        b"\x1b[1m\x1b7\x1b[m",
        b"\x1b[1m\x1b[?1h\x1b[?25l\x1b[4h\x1b[2;3r\x1b(0\x1b=\x1b[!p",
        b"\x1b[?1049h\x1b[?1003h\x1b[?7l\x1bc",
    ] {
        check(text, "");
    }
}

#[test]
fn exactly_what_is_left_on_is_turned_off() {
    for (text, off) in [
        (&b"\x1b[?1049h"[..], "\x1b[?1049l"),
        (b"\x1b[?47h", "\x1b[?47l"),
        (b"\x1b[?1000;1006h", "\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1000h\x1b[?1000l\x1b[?1002h", "\x1b[?1002l"),
        (b"\x1b[?1004h\x1b[?2004h", "\x1b[?1004l\x1b[?2004l"),
        (b"\x1b[?1h\x1b=", "\x1b[?1l\x1b>"),
        (b"\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h"),
        (b"\x1b[4h\x1b[2h\x1b[12l\x1b[20h", "\x1b[2l\x1b[4l\x1b[12h\x1b[20l"),
        (b"\x1b[2;10r", "\x1b[r\x1b[9999;1H"),
        (b"\x1b[2;10r\x1b[?6h", "\x1b[?6l\x1b[r\x1b[9999;1H"),
        (b"\x1b(0", "\x1b(B"),
        (b"\x1b)0\x0e", "\x0f"),
        (b"\x1b[1;31m", "\x1b[m"),
        (b"\x1b[38;5;0m", "\x1b[m"),
        (b"\x1b[38;2;0;0;0m", "\x1b[m"),
        (b"\x1b[0;7m", "\x1b[m"),
        (b"\x1b[1;31m\x1b[22m", "\x1b[m"),
        (b"\x1b[4 q", "\x1b[0 q"),
        // Restored together with the cursor.
        (b"\x1b[1m\x1b7\x1b[m\x1b8", "\x1b[m"),
        (b"\x1b[1m\x1b[?1049h\x1b[m", "\x1b[?1049l\x1b[m"),
        (b"\x1b[1m\x1b[?1049h\x1b[m\x1b[?1049l", "\x1b[m"),
    ] {
        check(text, off);
    }
}

#[test]
fn the_memory_for_attributes_is_bounded() {
    let mut text = Vec::new();
    for colour in 0..10_000 {
        text.extend_from_slice(format!("\x1b[38;5;{}m", colour % 256).as_bytes());
    }
    let modes = after(&text);
    assert!(modes.on().len() <= 512);
    assert_eq!(modes.off(), b"\x1b[m");
}
