//! Much input at once: nothing is lost, and input that the guest can't take yet is held back.

mod common;

use common::{PROMPT, Rig, on_each_engine};
use vuart_vmm::printed_line;

/// Text in which a missing or doubled character is noticed.
fn text(length: usize) -> String {
    (0..).flat_map(|number| format!("{number:x}.").into_bytes()).take(length).map(char::from).collect()
}

fn join(lines: &[String], each: impl Fn(&String) -> String) -> String {
    lines.iter().map(each).collect::<Vec<_>>().concat()
}

#[test]
fn a_paste_of_four_kib_in_one_line_is_complete() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        let text = text(4096);
        rig.type_in(format!("echo {text}\r"));
        let seen = rig.wait_for(PROMPT);
        assert_eq!(String::from_utf8(seen).unwrap(), format!("echo {text}\r\n{text}\r\n> "));
    });
}

#[test]
fn a_paste_of_four_kib_in_64_lines_is_complete() {
    on_each_engine(|engine| {
        for line_end in ["\r", "\n", "\r\n"] {
            let mut rig = Rig::boot_to_prompt(engine);
            let lines: Vec<_> = (0..64).map(|line| format!("{line:02} {}", text(56))).collect();
            let input: String = join(&lines, |line| format!("echo {line}{line_end}"));
            assert!(input.len() >= 4096);
            rig.type_in(input + "echo done\r");
            let seen = String::from_utf8(rig.wait_for(b"\r\ndone\r\n> ")).unwrap();
            let mut expected: String = join(&lines, |line| format!("echo {line}\r\n{line}\r\n> "));
            expected.push_str("echo done\r\ndone\r\n> ");
            assert_eq!(seen, expected);
        }
    });
}

#[test]
fn input_is_held_back_while_the_guest_is_busy() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"print 300\r");
        rig.wait_for(b"line 00001: ");
        // Far more than the guest's ring, the FIFO and the input buffer behind it hold together.
        let lines: Vec<_> = (0..100).map(|line| format!("{line:03} {}", text(90))).collect();
        let input: String = join(&lines, |line| format!("echo {line}\r"));
        let taken = rig.offer(input.as_bytes());
        assert!(taken < input.len(), "all {taken} bytes were taken at once");
        rig.type_in(&input.as_bytes()[taken..]);
        rig.type_in(b"echo done\r");
        rig.wait_for(b"\r\ndone\r\n> ");

        let mut expected = rig.output[..rig.output.windows(4).position(|w| w == b"line").unwrap()].to_vec();
        expected.extend((1..=300).flat_map(printed_line));
        expected.extend(b"> ");
        for line in &lines {
            expected.extend(format!("echo {line}\r\n{line}\r\n> ").into_bytes());
        }
        expected.extend(b"echo done\r\ndone\r\n> ");
        assert!(rig.output == expected, "characters were lost or doubled");
        assert_eq!(rig.console().input_waiting(), 0);
    });
}
