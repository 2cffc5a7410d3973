//! The format: what is a trace, and what is refused.

mod support;

use proptest::prelude::*;
use support::parse;
use vuart_16550::Profile;
use vuart_16550::spec::{Lsr, Msr};
use vuart_trace::{Board, Mode, Operation, ParseError, Trace};

#[test]
fn every_operation_is_read() {
    let trace = parse(
        "# vuart trace v1\n\n  # comment\nmode timed\nprofile 16750 # late comment\nout2-gate off\n\
         w 3 0x83\n\tr 5\nr 0X05 60\nrx 41 0x42 00\nrx-err pe 1\nrx-err fe 2\nrx-err fe+pe 3\nbreak\ntx\ntx 41 FF\n\
         tx-break 1\nirq 0\nmodem +dcd -cts +ri -dsr\nt 18446744073709551615#end\nreset",
    );
    let settings = trace.settings();
    assert_eq!(settings.mode, Mode::Timed);
    assert_eq!((settings.config.profile, settings.config.out2_gate), (Profile::Uart16750, false));
    assert_eq!(trace.comments().collect::<Vec<_>>(), ["vuart trace v1", "comment"]);
    let error = |errors, data| Operation::ReceiveError { errors, data };
    assert_eq!(
        trace.operations().map(|(_, operation)| operation.clone()).collect::<Vec<_>>(),
        [
            Operation::Write { register: 3, value: 0x83 },
            Operation::Read { register: 5, expected: None },
            Operation::Read { register: 5, expected: Some(0x60) },
            Operation::Receive(vec![0x41, 0x42, 0]),
            error(Lsr::PE, 1),
            error(Lsr::FE, 2),
            error(Lsr::PE | Lsr::FE, 3),
            Operation::ReceiveBreak,
            Operation::Transmitted(vec![]),
            Operation::Transmitted(vec![0x41, 0xFF]),
            Operation::BreakOut(true),
            Operation::Interrupt(false),
            Operation::Modem { on: Msr::DCD | Msr::RI, off: Msr::CTS | Msr::DSR },
            Operation::Pass(u64::MAX),
            Operation::Reset,
        ]
    );
    assert_eq!(trace.operations().last().unwrap().0, 21, "lines count from 1, blank ones too");
}

#[test]
fn a_wrong_line_is_refused_with_its_number() {
    for (text, complaint) in [
        ("# vuart trace v2", "1: the trace is of version \"v2\", and this reads v1"),
        (
            "\nx 1",
            "2: \"x\" is no operation; there are w r rx rx-err break tx tx-break irq modem reset t mode at profile out2-gate",
        ),
        ("w", "1: a register, 0 to 7 is missing"),
        ("w 8 0", "1: \"8\" is not a register, 0 to 7"),
        ("w 1", "1: a value is missing"),
        ("w 1 100", "1: \"100\" is not a byte in hex, 0 to ff"),
        ("w 1 +1", "1: \"+1\" is not a byte in hex, 0 to ff"),
        ("w 1 0x", "1: \"0x\" is not a byte in hex, 0 to ff"),
        ("w 1 1 1", "1: \"1\" is too much"),
        ("r", "1: a register, 0 to 7 is missing"),
        ("r 1 2 3", "1: \"3\" is too much"),
        ("rx", "1: at least one byte is missing"),
        ("rx 41 é", "1: \"é\" is not a byte in hex, 0 to ff"),
        ("rx-err oe 1", "1: \"oe\" is not pe, fe or pe+fe"),
        ("rx-err pe", "1: a byte is missing"),
        ("break 1", "1: \"1\" is too much"),
        ("irq", "1: 0 or 1 is missing"),
        ("irq 2", "1: \"2\" is not 0 or 1"),
        ("tx-break x", "1: \"x\" is not 0 or 1"),
        ("modem", "1: + or - and one of cts, dsr, ri, dcd is missing"),
        ("modem dcd", "1: \"dcd\" is not + or - and one of cts, dsr, ri, dcd"),
        ("modem +rts", "1: \"+rts\" is not + or - and one of cts, dsr, ri, dcd"),
        ("modem +cts -cts", "1: an input can't go on and off at once"),
        ("t 1", "1: time passes only after `mode timed`"),
        ("mode timed\nt 0x1", "2: \"0x1\" is not nanoseconds, in decimal"),
        ("mode timed\nt -1", "2: \"-1\" is not nanoseconds, in decimal"),
        ("mode timed\nt 18446744073709551616", "2: \"18446744073709551616\" is not nanoseconds, in decimal"),
        ("mode slow", "1: \"slow\" is not instant or timed"),
        ("mode timed\nmode timed", "2: mode is said twice"),
        ("r 5\n\nmode timed", "3: mode must stand before the first operation"),
        ("profile 8250", "1: \"8250\" is not 16450, 16550a or 16750"),
        ("out2-gate 1", "1: \"1\" is not on or off"),
        ("lost 5", "1: operations were lost here when this was recorded: what follows can't be replayed"),
    ] {
        let error: ParseError = text.parse::<Trace>().unwrap_err();
        assert_eq!(error.to_string(), complaint, "{text:?}");
    }
    let long = "x".repeat(1 << 20).parse::<Trace>().unwrap_err().to_string();
    assert!(long.len() < 300, "an excerpt will do");
    assert!("# vuart trace of a Tuesday\n".parse::<Trace>().is_ok(), "that is no version");
    assert!(
        "\u{FEFF}# vuart trace v1\nr 5 60\n".parse::<Trace>().is_ok(),
        "from an editor that marks its files"
    );
    assert!("".parse::<Trace>().is_ok(), "nothing at all is a trace of nothing");
    assert!("w 1 1\r\nr 1 1\r\n".parse::<Trace>().is_ok(), "from an editor of another system");
}

proptest! {
    /// Any text is a trace or is refused, and a trace can be replayed.
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z0-9+# -]{0,12}\n?){0,20}") {
        if let Ok(trace) = text.parse::<Trace>() {
            trace.replay(&mut Board::new(trace.settings()));
        }
    }
}
