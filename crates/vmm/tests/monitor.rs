//! The monitor's commands and line editing.

mod common;

use std::time::Instant;

use common::{HANG, PROMPT, Rig, on_each_engine};
use vuart_vmm::{Exit, printed_line};

#[test]
fn a_banner_and_a_prompt() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot(engine);
        let seen = rig.wait_for(PROMPT);
        assert_eq!(
            String::from_utf8(seen).unwrap(),
            "\r\nvuart monitor: 16550A at 0x3F8, IRQ 4, 115200 8N1\r\nType 'help' for the commands.\r\n> "
        );
    });
}

#[test]
fn help_names_every_command() {
    on_each_engine(|engine| {
        let help = Rig::boot_to_prompt(engine).command("help");
        for command in ["help", "echo TEXT", "print N", "uptime", "regs", "halt"] {
            assert!(help.lines().any(|line| line.starts_with(command)), "{command} is not in {help}");
        }
    });
}

#[test]
fn echo_prints_its_argument_unchanged() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        assert_eq!(rig.command("echo hello"), "hello\r\n");
        assert_eq!(rig.command("echo   two  and  two "), "  two  and  two \r\n");
        assert_eq!(rig.command("  echo x"), "x\r\n");
        assert_eq!(rig.command("echo"), "\r\n");
        assert_eq!(rig.command("echo "), "\r\n");
        assert_eq!(
            rig.command("echo !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\r\n"
        );
        assert_eq!(rig.command("echo naïve €uro"), "naïve €uro\r\n");
    });
}

#[test]
fn print_numbers_its_lines() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        assert_eq!(rig.command("print 0"), "");
        // The pattern repeats after 94 lines.
        let expected: Vec<u8> = (1..=200).flat_map(printed_line).collect();
        assert_eq!(rig.command("print 200"), String::from_utf8(expected).unwrap());
        assert_eq!(rig.command("print  00001 "), String::from_utf8(printed_line(1).to_vec()).unwrap());
    });
}

#[test]
fn print_rejects_what_is_not_a_number() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        for wrong in ["", "x", "65536", "99999", "100000", "99999999", "-1", "+1", "1 2", "0x10", "12a", "²"]
        {
            assert_eq!(
                rig.command(&format!("print {wrong}")),
                format!("print: '{wrong}' is not a number from 0 to 65535\r\n")
            );
        }
    });
}

#[test]
fn an_unknown_command_is_named() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        assert_eq!(rig.command("restart now"), "restart: unknown command; try 'help'\r\n");
        // A command must be complete.
        assert_eq!(rig.command("hel"), "hel: unknown command; try 'help'\r\n");
        assert_eq!(rig.command("helpp"), "helpp: unknown command; try 'help'\r\n");
        assert_eq!(rig.command("HELP"), "HELP: unknown command; try 'help'\r\n");
        assert_eq!(rig.command(""), "");
        assert_eq!(rig.command("   "), "");
    });
}

#[test]
fn regs_shows_the_uart_as_the_driver_has_set_it() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        let regs = rig.command("regs");
        let expected = [
            "IER 0D  interrupt enable",
            "IIR C1  interrupt identification",
            "LCR 03  line control",
            "MCR 0B  modem control",
            "LSR 60  line status",
            "MSR B0  modem status",
            "SCR 00  scratch",
            "DLL 01  divisor, low byte",
            "DLM 00  divisor, high byte",
        ];
        assert_eq!(regs.lines().collect::<Vec<_>>(), expected);
        // The port still works.
        assert_eq!(rig.command("echo still here"), "still here\r\n");
    });
}

#[test]
fn uptime_counts_twenty_ticks_a_second() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        let mut uptime = || {
            let said = rig.command("uptime");
            let words: Vec<_> = said.split_whitespace().collect();
            let &[ticks, "ticks,", seconds, "seconds"] = words.as_slice() else { panic!("{said}") };
            let (ticks, seconds): (u64, u64) = (ticks.parse().unwrap(), seconds.parse().unwrap());
            assert_eq!(seconds, ticks / 20);
            ticks
        };
        // The timer runs: ask until the count changes.
        let (first, asked) = (uptime(), Instant::now());
        while uptime() == first {
            assert!(asked.elapsed() < HANG, "the timer stands still");
        }
    });
}

#[test]
fn a_line_can_be_edited() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        // Backspace and delete erase, and not beyond the prompt.
        rig.type_in(b"\x7f\x08echx\x08o aXY\x7f\x7fb\r");
        let rubout = "\x08 \x08";
        assert_eq!(
            String::from_utf8(rig.wait_for(PROMPT)).unwrap(),
            format!("echx{rubout}o aXY{rubout}{rubout}b\r\nab\r\n> ")
        );
        // One backspace erases one UTF-8 character.
        rig.type_in("echo €\x7fe\r");
        assert_eq!(String::from_utf8(rig.wait_for(PROMPT)).unwrap(), format!("echo €{rubout}e\r\ne\r\n> "));
        // Continuation bytes without a beginning are one character.
        rig.type_in(b"\x80\x80\x7fecho b\r");
        assert_eq!(
            rig.wait_for(PROMPT),
            [&b"\x80\x80"[..], rubout.as_bytes(), b"echo b\r\nb\r\n> "].concat()
        );
        // ^U erases the line, character by character.
        rig.type_in("a€b\x15echo b\r");
        let erased = rubout.repeat(3);
        assert_eq!(String::from_utf8(rig.wait_for(PROMPT)).unwrap(), format!("a€b{erased}echo b\r\nb\r\n> "));
        rig.type_in(b"halt\x15echo no\r");
        assert_eq!(
            String::from_utf8(rig.wait_for(b"no\r\nno\r\n> ")).unwrap(),
            format!("halt{}echo no\r\nno\r\n> ", rubout.repeat(4))
        );
        // ^C abandons the line.
        rig.type_in(b"halt\x03echo yes\r");
        assert_eq!(
            String::from_utf8(rig.wait_for(b"yes\r\nyes\r\n> ")).unwrap(),
            "halt^C\r\n> echo yes\r\nyes\r\n> "
        );
    });
}

#[test]
fn cr_lf_and_both_end_a_line() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"echo 1\recho 2\necho 3\r\necho 4\r\n\n\r");
        let seen = rig.wait_for(b"\r\n4\r\n> \r\n> \r\n> ");
        assert_eq!(
            String::from_utf8(seen).unwrap(),
            "echo 1\r\n1\r\n> echo 2\r\n2\r\n> echo 3\r\n3\r\n> echo 4\r\n4\r\n> \r\n> \r\n> "
        );
        rig.type_in(b"\r\n\r\r\n\necho 5\r");
        assert_eq!(rig.wait_for(b"echo 5\r\n5\r\n> "), b"\r\n> \r\n> \r\n> \r\n> echo 5\r\n5\r\n> ");
    });
}

#[test]
fn keys_and_control_characters_are_ignored() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"\x1b[Aec\x1b[1;5Dh\x1bOPo\0\x01\x04 \x1bxa\x1b[3~\tb\x1b[\x1b[C\r");
        assert_eq!(rig.wait_for(PROMPT), b"echo a b\r\na b\r\n> ");
        // A control character ends a sequence, and an escape begins another.
        rig.type_in(b"\x0cecho c\x1a\x1b[200~a\x1b[1\x08b\x1b\x1b[Ac\x1f\r");
        assert_eq!(rig.wait_for(PROMPT), b"echo ca\x08 \x08bc\r\ncbc\r\n> ");
    });
}

#[test]
fn a_full_line_rings_the_bell_and_is_kept() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        let text = "x".repeat(8191 - "echo ".len());
        rig.type_in(format!("echo {text}yz\r"));
        let seen = rig.wait_for(PROMPT);
        assert_eq!(String::from_utf8(seen).unwrap(), format!("echo {text}\x07\x07\r\n{text}\r\n> "));
    });
}

#[test]
fn control_c_stops_print_and_discards_what_was_typed_before_it() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        // All of it is typed at once, so the guest has it when it begins to print.
        rig.type_in(b"print 65535\rgone\recho gone\r\x03echo ready\r");
        let mut expected = b"print 65535\r\n".to_vec();
        expected.extend(printed_line(1));
        expected.extend(b"^C\r\n> echo ready\r\nready\r\n> ");
        let seen = rig.wait_for(b"ready\r\nready\r\n> ");
        assert_eq!(String::from_utf8(seen).unwrap(), String::from_utf8(expected).unwrap());
    });
}

#[test]
fn control_c_stops_a_running_print() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"print 65535\r");
        rig.wait_for(b"line 00001: ");
        rig.type_in(b"\x03");
        rig.wait_for(b"\r\n^C\r\n> ");
        assert_eq!(rig.command("echo ready"), "ready\r\n");
    });
}

#[test]
fn halt_ends_the_machine_after_its_last_output() {
    on_each_engine(|engine| {
        let mut rig = Rig::boot_to_prompt(engine);
        rig.type_in(b"halt\r");
        rig.wait_ended();
        assert_eq!(rig.wait_for(b"halting\r\n"), b"halt\r\nhalting\r\n");
        assert_eq!(rig.join().unwrap(), Exit::Halted);
    });
}
