//! Which sequences pass the filter: known sequences by name, and arbitrary bytes.

use std::num::NonZero;

use proptest::prelude::*;

use crate::terminal::filter::Filter;

fn passed(text: &[u8]) -> Vec<u8> {
    Filter::new().pass(text)
}

/// What passes when the text arrives byte by byte.
fn bytewise(text: &[u8]) -> Vec<u8> {
    let mut filter = Filter::new();
    text.iter().flat_map(|byte| filter.pass(&[*byte])).collect()
}

#[track_caller]
fn check(text: &[u8], expected: &[u8]) {
    for found in [passed(text), bytewise(text)] {
        assert_eq!(
            found.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "of {}",
            text.escape_ascii()
        );
    }
}

/// Checks that a sequence passes inside other text, which must pass too.
#[track_caller]
fn passes(sequence: &[u8]) {
    let text = [b"a", sequence, "ü\r\n".as_bytes()].concat();
    check(&text, &text);
}

/// Checks that a sequence is dropped from other text, which must pass.
#[track_caller]
fn dropped(sequence: &[u8]) {
    check(&[b"a", sequence, "ü\r\n".as_bytes()].concat(), "aü\r\n".as_bytes());
}

#[test]
fn sequences_that_draw_a_screen_pass() {
    for sequence in [
        &b"plain text ~"[..],
        "ä € 😀 \u{a0}".as_bytes(),
        b"\x00\x07\x08\t\n\x0b\x0c\r\x0e\x0f",
        b"\x1b[m\x1b[0m\x1b[1;31m\x1b[38;5;208m\x1b[48;2;1;2;3m\x1b[4:3m\x1b[38:2::1:2:3m",
        b"\x1b[A\x1b[2B\x1b[10C\x1b[D\x1b[E\x1b[F\x1b[7G\x1b[;H\x1b[1;1H\x1b[24;80f\x1b[3d\x1b[3`\x1b[2a\x1b[2e",
        b"\x1b[32766;32766H\x1b[9999;9999H\x1b[65535C",
        b"\x1b[J\x1b[0J\x1b[1J\x1b[2J\x1b[K\x1b[1K\x1b[2K\x1b[4X",
        b"\x1b[@\x1b[2P\x1b[L\x1b[3M\x1b[S\x1b[2T\x1b[I\x1b[Z\x1b[79b",
        b"\x1b[r\x1b[1;24r\x1b[s\x1b[u\x1b7\x1b8\x1bD\x1bE\x1bM",
        b"\x1b[4h\x1b[4l\x1b=\x1b>\x1b(0\x1b(B\x1b)0\x1b(A\x1b#8\x1b#6",
        b"\x1b[?1h\x1b[?5h\x1b[?6l\x1b[?7h\x1b[?12l\x1b[?25l\x1b[?12;25h\x1b[?47h\x1b[?1047l\x1b[?1048h\x1b[?1049h",
        b"\x1b[?9h\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1005h\x1b[?1006h\x1b[?1015h\x1b[?1016h\x1b[?2004h",
        b"\x1b[?1000;1006l\x1b[2 q\x1b[0 q\x1b[!p",
    ] {
        passes(sequence);
    }
}

#[test]
fn s17_what_a_terminal_answers_is_dropped() {
    for sequence in [
        // Status and position, also of printer, keyboard, colours.
        &b"\x1b[5n"[..],
        b"\x1b[6n",
        b"\x1b[06n",
        b"\x1b[?6n",
        b"\x1b[?15n",
        b"\x1b[?996n",
        // What it is: DA1, DA2, DA3, DECID, version, parameters.
        b"\x1b[c",
        b"\x1b[0c",
        b"\x1b[>c",
        b"\x1b[>0c",
        b"\x1b[=c",
        b"\x1bZ",
        b"\x1b[>q",
        b"\x1b[>0q",
        b"\x1b[x",
        b"\x1b[1x",
        // Modes, settings, capabilities, checksums, macros, sets of characters, tabulators.
        b"\x1b[4$p",
        b"\x1b[?2026$p",
        b"\x1bP$qm\x1b\\",
        b"\x1bP+q544e\x1b\\",
        b"\x1bP+Q\x1b\\",
        b"\x1b[1;1;1;1;24;80*y",
        b"\x1b[?62n",
        b"\x1b[&u",
        b"\x1b[2$w",
        b"\x1b[1$u",
        // The window: its size, place, state, title.
        b"\x1b[11t",
        b"\x1b[13t",
        b"\x1b[14t",
        b"\x1b[18t",
        b"\x1b[19t",
        b"\x1b[20t",
        b"\x1b[21t",
        // Colours, the clipboard, the font, a file, by BEL and by ST.
        b"\x1b]4;1;?\x07",
        b"\x1b]10;?\x1b\\",
        b"\x1b]11;?\x07",
        b"\x1b]52;c;?\x07",
        b"\x1b]50;?\x07",
        b"\x1b]1337;ReportCellSize\x07",
        b"\x1b]99;i=1:p=?;\x1b\\",
        // The keyboard's protocols, the pointer, pictures, what can be shown.
        b"\x1b[?u",
        b"\x1b[?4m",
        b"\x1b[1'|",
        b"\x1b[?1;1;0S",
        b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
        b"\x1b_25a1;q;e0a0\x1b\\",
        // The answerback message.
        b"\x05",
        // What makes it tell something without being asked.
        b"\x1b[?1004h",
        b"\x1b[?2031h",
        b"\x1b[?2048h",
    ] {
        dropped(sequence);
    }
}

#[test]
fn s17_what_reaches_beyond_the_screen_is_dropped() {
    for sequence in [
        // Titles, directory, links, notifications, marks of shells, the clipboard.
        &b"\x1b]0;title\x07"[..],
        b"\x1b]2;title\x1b\\",
        b"\x1bktitle\x1b\\",
        b"\x1b[22;0t",
        b"\x1b]7;file://host/\x1b\\",
        b"\x1b]8;;http://example.org\x1b\\",
        b"\x1b]9;text\x07",
        b"\x1b]777;notify;a;b\x07",
        b"\x1b]133;A\x07",
        b"\x1b]52;c;cm0gLXJmIC8=\x07",
        b"\x1b]4;1;rgb:00/00/00\x07",
        b"\x1b]104\x07",
        // The window: size, iconified.
        b"\x1b[8;10;10t",
        b"\x1b[2t",
        b"\x1b[?3h",
        b"\x1b[?40h",
        // The printer, keys, the keyboard.
        b"\x1b[i",
        b"\x1b[5i",
        b"\x1b[?5i",
        b"\x1bP0;1|17/6c73\x1b\\",
        b"\x1b[2h",
        b"\x1b[12l",
        b"\x1b[20h",
        b"\x1b[>4;2m",
        b"\x1b[>1u",
        b"\x1b[=1;1u",
        b"\x1b[1q",
        // What was on the screen before, tabulators, other encodings, all of it.
        b"\x1b[3J",
        b"\x1b[?3J",
        b"\x1b[3g",
        b"\x1bH",
        b"\x1bc",
        b"\x1b%@",
        b"\x1b%G",
        b"\x1b G",
        b"\x1b[61\"p",
        b"\x1b[?2l",
        b"\x1b[?69h",
        b"\x1b[?1s",
        b"\x1b[?1r",
        b"\x1bn",
        b"\x1bl",
        // Data in strings.
        b"\x1bPq#0;2;0;0;0~-\n~\x1b\\",
        b"\x1bPtmux;data\x1b\\",
        b"\x1b^message\x1b\\",
        b"\x1bXstring\x1b\\",
        // Those of Linux' console that nothing closes.
        b"\x1b]R",
        b"\x1b]P0a1B2c3",
        // With parameters that they don't have.
        b"\x1b[1;2;3;4;5T",
        b"\x1b[1;80s",
        b"\x1b[1025b",
        b"\x1b[99999999999999999999A",
        b"\x1b[1:2A",
        // Other control characters.
        b"\x01\x02\x03\x04\x06\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1c\x1d\x1e\x1f\x7f",
    ] {
        dropped(sequence);
    }
}

#[test]
fn of_a_list_of_modes_only_the_allowed_ones_pass() {
    check(b"\x1b[?3;4;5l", b"\x1b[?5l");
    check(b"\x1b[?1004;1000;1006h", b"\x1b[?1000;1006h");
    check(b"\x1b[4;20h", b"\x1b[4h");
    check(b"\x1b[?h\x1b[?;;h\x1b[h", b"");
}

#[test]
fn eight_bit_controls_do_not_pass() {
    for sequence in [&b"\x9b6n"[..], b"\xc2\x9b6n", b"\xe0\x82\x9b6n", b"\xc0\x9b6n"] {
        // The byte that a lenient decoder would need is gone.
        let shown: Vec<u8> = sequence.iter().copied().filter(|byte| !matches!(byte, 0x80..=0x9f)).collect();
        check(sequence, if sequence == b"\xc2\x9b6n" { b"6n" } else { &shown });
    }
    check(b"\xc2\x1b[6n\x9bx", b"\xc2x");
    check(b"\x9d0;title\x9c", b"0;title");
    check("\u{9d}0;title\u{9c}\u{85}".as_bytes(), b"0;title");
    // In a character, 9B is no control.
    passes("ě€".as_bytes());
    // Letters of another encoding.
    passes(b"\xe4\xf6 \xff");
}

#[test]
fn a_byte_that_breaks_a_sequence_is_handled_by_itself() {
    check(b"\x1b[6\nn", b"\nn");
    check(b"\x1b[3\x1b[6n1m", b"1m");
    check(b"\x1b[6\x18n", b"n");
    check(b"\x1b\x1b[31m", b"\x1b[31m");
    check("\x1b[1ü".as_bytes(), "ü".as_bytes());
    check(b"\x1b[ 6n", b"");
    check(b"\x1b[6 1n", b"");
    // Terminals differ on a string inside a string.
    check(b"\x1b]0;a\x1b]52;c;?\x07b", b"b");
    check(b"\x1bPtmux;\x1b\x1b[6n\x1b\\", b"");
    check(b"\x1b]0;a\x1b[6n", b"");
}

#[test]
fn an_unclosed_string_swallows_at_most_a_text_line_or_some_kibibytes() {
    check(b"\x1b]0;title\r\nlogin: ", b"\r\nlogin: ");
    check(b"\x1bktitle\nlogin: ", b"\nlogin: ");
    check(b"\x1b]0;title\x18login: ", b"login: ");
    check(b"\x1bPdata\nmore", b"");
    let text = [&b"\x1bP"[..], &[b'x'; 10_000]].concat();
    check(&text, &[b'x'; 10_000 - (8 << 10)]);
    // The same limit holds for a control sequence. A shorter one is dropped as a whole.
    check(&[&b"\x1b["[..], &[b'1'; 1000], b"mx"].concat(), b"x");
    let text = [&b"\x1b["[..], &[b'1'; 10_000]].concat();
    assert!(passed(&text).len() < 2000);
}

#[test]
fn a_sequence_that_a_hole_cuts_off_swallows_nothing() {
    let mut filter = Filter::new();
    assert_eq!(filter.pass(b"a\x1b]0;ti"), b"a");
    filter.cut();
    assert_eq!(filter.pass(b"b"), b"b");
}

/// Recorded output of programs: a coloured listing, an editor, a menu with line drawing, a pager.
#[test]
fn ordinary_programs_look_the_same() {
    for (name, sample) in [
        ("colours", &include_bytes!("../samples/colours.out")[..]),
        ("curses", include_bytes!("../samples/curses.out")),
        ("curses on a vt220", include_bytes!("../samples/curses-vt220.out")),
    ] {
        assert!(sample.len() > 500, "{name}");
        let (lines, columns) = (NonZero::new(24).unwrap(), NonZero::new(80).unwrap());
        // Also in the middle: a screen that a program has left shows little.
        for end in (0..=sample.len()).step_by(97).chain([sample.len()]) {
            let shown = |bytes: &[u8]| {
                let mut parser = vt100::Parser::new(lines, columns, 0);
                parser.process(bytes);
                parser.screen().state_formatted()
            };
            assert!(shown(&sample[..end]) == shown(&passed(&sample[..end])), "{name}, the first {end}");
        }
    }
}

/// Output as a hostile guest may write it: arbitrary bytes, and pieces of sequences.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        4 => prop::sample::select(vec![
            &b"\x1b"[..], b"\x1b[", b"\x1b[?", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b\\", b"\x1b(", b"\x07", b"\x18", b"\n",
            b"0", b"1049", b"6n", b"c", b"t", b"31m", b"h", b"l", b";", b":", b" ", b"$", b"?", b"P", b"R", b"k",
            b"\x9b", b"\xc2", b"\xc2\x9b", b"\xe2\x82\xac", b"\xe2\x82", b"\xf0\x9f", b"text",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_size_of_the_pieces_changes_nothing(output in output(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(output.len() + 1)).collect();
        cuts.extend([0, output.len()]);
        cuts.sort_unstable();
        let mut filter = Filter::new();
        let pieces: Vec<u8> = cuts.windows(2).flat_map(|cut| filter.pass(&output[cut[0]..cut[1]])).collect();
        prop_assert_eq!(pieces, passed(&output));
    }

    #[test]
    fn what_passes_is_there_and_passes_again(output in output()) {
        // What comes first is no rest of a character that began before: that is dropped.
        let output = [b".", &output[..]].concat();
        let once = passed(&output);
        // A newline follows, because an incomplete character would be held back.
        let mut rest = output.iter();
        prop_assert!(once.iter().all(|byte| rest.any(|other| other == byte)), "no subsequence");
        let ended = [&once[..], b"\n"].concat();
        prop_assert_eq!(passed(&ended), ended);
    }

    /// A terminal's parser finds nothing in the filtered output that is not on the list.
    #[test]
    fn s17_a_terminal_is_asked_nothing(output in output()) {
        let mut heard = Heard::default();
        vte::Parser::new().advance(&mut heard, &passed(&output));
        prop_assert!(heard.0.is_empty(), "{:?}", heard.0);
    }
}

/// The actions of a terminal that reach beyond its screen.
#[derive(Default)]
struct Heard(Vec<String>);

impl vte::Perform for Heard {
    fn execute(&mut self, byte: u8) {
        if !matches!(byte, 0 | 0x07..=0x0f) {
            self.0.push(format!("{byte:x}"));
        }
    }

    fn hook(&mut self, _: &vte::Params, _: &[u8], _: bool, action: char) {
        self.0.push(format!("DCS {action}"));
    }

    fn osc_dispatch(&mut self, parameters: &[&[u8]], _: bool) {
        self.0.push(format!("OSC {parameters:?}"));
    }

    fn csi_dispatch(&mut self, _: &vte::Params, intermediates: &[u8], _: bool, action: char) {
        let known = match intermediates {
            b"" => "@ABCDEFGHIJKLMPSTXZ`abdefhlmrsu",
            b"?" => "hl",
            b" " => "q",
            b"!" => "p",
            _ => "",
        };
        if !known.contains(action) {
            self.0.push(format!("CSI {intermediates:?} {action}"));
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        let known: &[u8] = match intermediates {
            b"" => b"78=>DEM",
            b"(" | b")" => b"0AB",
            b"#" => b"34568",
            _ => b"",
        };
        if !known.contains(&byte) {
            self.0.push(format!("ESC {intermediates:?} {byte:x}"));
        }
    }
}
