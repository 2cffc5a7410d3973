//! Traces: the format, the replay, the recording.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Identity, Mode};
use vuart::trace::{Board, Device, Mode as Time, Operation, ParseError, Trace, Unsupported};
use vuart::uart::spec::{Lsr, Msr, offset::*};
use vuart::uart::{Config, Profile};
use vuart::{PortBuilder, SerialPort};

/// A hang becomes a failure after this long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

struct Irq;

impl Trigger for Irq {
    type E = ();
    fn trigger(&self) -> Result<(), ()> {
        Ok(())
    }
}

fn parse(text: &str) -> Trace {
    text.parse().unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// The mismatches on our UART, as people see them.
fn replay(text: &str) -> Vec<String> {
    let trace = parse(text);
    trace.replay(&mut Board::new(trace.settings())).iter().map(ToString::to_string).collect()
}

fn fill(text: &str) -> String {
    let trace = parse(text);
    trace.fill(&mut Board::new(trace.settings())).unwrap()
}

#[test]
fn every_operation_is_read() {
    let trace = parse(
        "# vuart trace v1\n\n  # comment\nmode timed\nprofile 16750 # late comment\nout2-gate off\n\
         w 3 0x83\n\tr 5\nr 0X05 60\nrx 41 0x42 00\nrx-err pe 1\nrx-err fe 2\nrx-err fe+pe 3\nbreak\ntx\ntx 41 FF\n\
         tx-break 1\nirq 0\nmodem +dcd -cts +ri -dsr\nt 18446744073709551615#end",
    );
    let settings = trace.settings();
    assert_eq!(settings.mode, Time::Timed);
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
        ]
    );
    assert_eq!(trace.operations().last().unwrap().0, 20, "lines count from 1, blank ones too");
}

#[test]
fn what_makes_no_sense_is_refused_and_the_line_named() {
    for (text, complaint) in [
        ("# vuart trace v2", "1: the trace is of version \"v2\", and this reads v1"),
        (
            "\nx 1",
            "2: \"x\" is no operation; there are w r rx rx-err break tx tx-break irq modem t mode profile out2-gate",
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

#[test]
fn mismatches_say_what_was_expected() {
    assert_eq!(
        replay("r 5 61\nr 5 60\nirq 1\ntx 41\ntx-break 1\nw 0 42\nw 0 43\ntx\n"),
        [
            "1: r 5: expected 61, got 60",
            "3: irq: expected 1, got 0",
            "4: tx: expected 41, got nothing",
            "5: tx-break: expected 1, got 0",
            "8: tx: expected nothing, got 42 43",
        ]
    );
}

#[test]
fn characters_wait_behind_the_fifo() {
    assert_eq!(
        replay(
            "rx 41 42 43\nr 5 61\nr 0 41\nr 5 61\nr 0 42\nr 0 43\nr 5 60\n\
             w 4 10  # loopback: the host holds back\nrx 44\nr 5 60\nw 4 00\nr 0 44\n\
             rx 45 46\nw 2 01\nr 0 46 # 45 was in the receiver when the FIFOs went on\n"
        ),
        [""; 0]
    );
}

#[test]
fn in_timed_mode_a_line_does_not_wait() {
    assert_eq!(
        replay(
            "mode timed\nw 3 83\nw 0 1\nw 1 0\nw 3 3\n\
             rx 41 42 43\nr 5 61\nt 86805\nr 5 61\nt 1\nr 5 63\nr 0 42\nt 86806\nr 0 43\n\
             t 1000000\nrx 44\nt 1\nrx 45\nt 86804\nr 0 44\nr 5 60\nt 1\nr 0 45\n"
        ),
        [""; 0]
    );
}

#[test]
fn automatic_flow_control_holds_the_sender() {
    assert_eq!(
        replay(
            "mode timed\nprofile 16750\nw 3 83\nw 0 1\nw 1 0\nw 3 3\nw 2 41 # trigger 4\nw 4 22\n\
             rx 1 2 3 4 5 6\nt 10000000\nr 0 1\nr 0 2\nr 0 3\nr 0 4\nr 0 5\nt 86806\nr 0 6\nr 5 60\n"
        ),
        [""; 0]
    );
}

#[test]
fn filling_keeps_what_the_author_wrote() {
    assert_eq!(
        fill("# a\n\nw 0 0x41   # as it was\n  r 5      # LSR\nr 5 00\ntx\ntx-break 0\nirq 1#x\n"),
        "# a\n\nw 0 0x41   # as it was\n  r 5 60   # LSR\nr 5 60\ntx 41\ntx-break 0\nirq 0 #x\n"
    );
    assert_eq!(fill("tx # much\n w 0 41"), "tx # much\n w 0 41\n");
}

/// A device that can do nothing but what it must.
struct Poor;

impl Device for Poor {
    fn read(&mut self, _register: u8) -> u8 {
        0xFF
    }
    fn write(&mut self, _register: u8, _value: u8) {}
    fn receive(&mut self, _data: u8) {}
    fn transmitted(&mut self) -> Vec<u8> {
        Vec::new()
    }
    fn interrupt(&self) -> bool {
        false
    }
}

#[test]
fn what_a_device_lacks_is_a_mismatch() {
    let trace = parse("mode timed\nbreak\nrx-err pe 1\nmodem +ri\ntx-break 0\nt 1\n");
    let mismatches: Vec<_> = trace.replay(&mut Poor).iter().map(ToString::to_string).collect();
    assert_eq!(
        mismatches,
        [
            "2: break: not there: a break from the host",
            "3: rx-err pe 01: not there: characters with errors",
            "4: modem +ri: not there: modem inputs",
            "5: tx-break 0: not there: the guest's break",
            "6: t 1: not there: virtual time",
        ]
    );
    let error = trace.fill(&mut Poor).unwrap_err();
    assert_eq!((error.line, error.unsupported), (2, Unsupported("a break from the host")));
    let device: &mut dyn Device = &mut Poor;
    assert_eq!(trace.replay(device).len(), 5);
}

/// What a real port does, typed at, taken over and reset in all ways, replays.
#[derive(Debug, Clone)]
enum Step {
    Read(u8),
    Write(u8, u8),
    Type(Vec<u8>),
    Break,
    Modem(u8),
    TakeOver,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8_u8).prop_map(Step::Read),
        3 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Step::Write(register, value)),
        2 => any::<u8>().prop_map(|value| Step::Write(THR, value)),
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Type),
        1 => Just(Step::Break),
        1 => any::<u8>().prop_map(Step::Modem),
        1 => Just(Step::TakeOver),
    ]
}

proptest! {
    #[test]
    fn a_recording_replays(steps in prop::collection::vec(step(), 0..200), wide: bool, gate: bool) {
        let config = Config::new().with_out2_gate(gate);
        let config = if wide { config.with_profile(Profile::Uart16750) } else { config };
        let mut port = PortBuilder::new().with_uart(config).build(Irq).unwrap();
        let mut recording = port.record(1 << 20).unwrap();
        let attach = || Attach::new(Identity::new("test", 0, None)).with_mode(Mode::TakeOver);
        let mut session = port.console().attach(attach()).unwrap();
        for step in steps {
            match step {
                Step::Read(register) => drop(port.read_register(register)),
                Step::Write(register, value) => port.write_register(register, value),
                Step::Type(bytes) => drop(session.write(&bytes).unwrap()),
                Step::Break => drop(session.send_break().unwrap()),
                Step::Modem(inputs) => port.set_modem_inputs(Msr::from_bits_retain(inputs)),
                Step::TakeOver => session = port.console().attach(attach()).unwrap(),
            }
        }
        let text = recording.take();
        prop_assert_eq!(replay(&text), [""; 0], "{}", text);
        prop_assert_eq!(parse(&text).settings().config, config);
    }

    /// Any text is a trace or is refused, and what is a trace can be replayed.
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z0-9+# -]{0,12}\n?){0,20}") {
        if let Ok(trace) = text.parse::<Trace>() {
            trace.replay(&mut Board::new(trace.settings()));
        }
    }

    /// What fills a trace satisfies it, and it is the same when it is filled again.
    #[test]
    fn a_filled_trace_holds(lines in prop::collection::vec(line(), 0..60)) {
        let text = format!("mode timed\n{}\n", lines.join("\n"));
        let filled = fill(&text);
        prop_assert_eq!(replay(&filled), [""; 0], "{}", filled);
        prop_assert_eq!(fill(&filled), filled);
    }
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..8_u8, any::<u8>()).prop_map(|(register, value)| format!("w {register} {value:x}")),
        (0..8_u8).prop_map(|register| format!("r {register} # why")),
        (0..8_u8, any::<u8>()).prop_map(|(register, value)| format!("r {register} {value:x}")),
        any::<[u8; 3]>().prop_map(|[a, b, c]| format!("rx {a:x} {b:x} {c:x}")),
        Just("tx".to_owned()),
        Just("irq 1".to_owned()),
        Just("tx-break 1".to_owned()),
        Just("break".to_owned()),
        Just("rx-err pe+fe 41".to_owned()),
        Just("modem -cts +ri".to_owned()),
        (0..10_000_000_u32).prop_map(|nanoseconds| format!("t {nanoseconds}")),
    ]
}

/// A file that can be read while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_recording_is_saved_whole() {
    let mut port = SerialPort::new(Irq).unwrap();
    let file = Shared::default();
    let saving = port.record(1 << 22).unwrap().save(file.clone()).unwrap();
    for byte in 0..=255 {
        port.write_register(THR, byte);
    }
    drop(port);
    saving.finish(PATIENCE).unwrap();
    let text = String::from_utf8(file.0.lock().unwrap().clone()).unwrap();
    assert_eq!(parse(&text).operations().count(), 512);
    assert_eq!(replay(&text), [""; 0]);
}

#[test]
fn what_the_reader_did_not_take_in_time_is_said_to_be_lost() {
    let mut port = SerialPort::new(Irq).unwrap();
    let mut recording = port.record(4096).unwrap();
    for _ in 0..10_000 {
        port.read_register(LSR);
    }
    let text = recording.take();
    let error = text.parse::<Trace>().unwrap_err();
    assert!(error.to_string().contains("operations were lost"), "{error}");
}

/// The guest goes on while the recording ends: what is in the file is whole.
#[test]
fn a_recording_of_a_guest_that_goes_on_ends_with_a_line() {
    for _ in 0..50 {
        let file = Shared::default();
        let mut port = SerialPort::new(Irq).unwrap();
        let saving = port.record(1 << 16).unwrap().save(file.clone()).unwrap();
        let (begun, go) = std::sync::mpsc::channel();
        let guest = std::thread::spawn(move || {
            for count in 0..20_000_u32 {
                port.write_register(SCR, count.to_le_bytes()[0]);
                if count == 100 {
                    begun.send(()).unwrap();
                }
            }
        });
        go.recv().unwrap();
        saving.finish(PATIENCE).unwrap();
        let text = String::from_utf8(file.0.lock().unwrap().clone()).unwrap();
        guest.join().unwrap();
        assert!(text.ends_with('\n') && text.contains("w 7 64\n"), "{text:?}");
        match text.parse::<Trace>() {
            Ok(_) => {}
            // Lapped, on a machine that had no time for the thread.
            Err(error) => assert!(error.to_string().contains("lost"), "{error}"),
        }
    }
}

#[test]
fn a_port_that_the_guest_has_touched_is_not_recorded() {
    let mut port = SerialPort::new(Irq).unwrap();
    port.write_register(SCR, 1);
    assert!(port.record(1 << 16).unwrap_err().to_string().contains("before the guest has touched it"));
}

#[test]
fn a_recording_that_nobody_wants_any_more_ends() {
    let mut port = SerialPort::new(Irq).unwrap();
    let recording = port.record(4096).unwrap();
    port.read_register(LSR);
    drop(recording);
    for _ in 0..10_000 {
        port.read_register(LSR);
    }
    let file = Shared::default();
    let mut port = SerialPort::new(Irq).unwrap();
    let saving = port.record(4096).unwrap().save(file.clone()).unwrap();
    port.read_register(LSR);
    saving.finish(PATIENCE).unwrap();
    for _ in 0..10_000 {
        port.read_register(LSR);
    }
    assert_eq!(file.0.lock().unwrap().as_slice(), b"# vuart trace v1\nr 5 60\n");
}

#[test]
fn a_file_that_takes_nothing_holds_nobody_up() {
    /// Takes nothing until the test is over.
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (release, stuck) = std::sync::mpsc::channel();
    let mut port = SerialPort::new(Irq).unwrap();
    let saving = port.record(4096).unwrap().save(Stuck(stuck)).unwrap();
    port.read_register(LSR);
    assert_eq!(saving.finish(std::time::Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(release);
}

#[test]
fn a_disk_that_is_full_is_told_and_the_guest_goes_on() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut port = SerialPort::new(Irq).unwrap();
    let saving = port.record(4096).unwrap().save(Full).unwrap();
    for _ in 0..10_000 {
        assert_eq!(port.read_register(LSR), 0x60);
    }
    assert_eq!(saving.finish(PATIENCE).unwrap_err().kind(), io::ErrorKind::StorageFull);
}
