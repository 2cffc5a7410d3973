//! Recording a port: the trace replays, and neither a reader nor a disk delays the guest.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use vm_superio::Trigger;
use vuart::endpoint::{Attach, Identity, LineError, Mode};
use vuart::trace::{Board, Trace};
use vuart::uart::spec::{Msr, offset::*};
use vuart::uart::{Config, Profile};
use vuart::{PortBuilder, SerialPort};

/// A time after which a hang is a failure.
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

/// Replays a trace on our UART, and returns the mismatches as text.
fn replay(text: &str) -> Vec<String> {
    let trace = parse(text);
    trace.replay(&mut Board::new(trace.settings())).iter().map(ToString::to_string).collect()
}

/// Something that happens at a port.
#[derive(Debug, Clone)]
enum Step {
    Read(u8),
    Write(u8, u8),
    Type(Vec<u8>),
    Break,
    Damaged(u8, LineError),
    Modem(u8),
    TakeOver,
}

fn error() -> impl Strategy<Value = LineError> {
    prop_oneof![Just(LineError::Parity), Just(LineError::Framing), Just(LineError::ParityAndFraming)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8_u8).prop_map(Step::Read),
        3 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Step::Write(register, value)),
        2 => any::<u8>().prop_map(|value| Step::Write(THR, value)),
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Type),
        1 => Just(Step::Break),
        1 => (any::<u8>(), error()).prop_map(|(byte, error)| Step::Damaged(byte, error)),
        1 => any::<u8>().prop_map(Step::Modem),
        1 => Just(Step::TakeOver),
    ]
}

proptest! {
    #[test]
    fn a_recording_replays(steps in prop::collection::vec(step(), 0..200), wide: bool, gate: bool) {
        let config = Config::new().with_out2_gate(gate);
        let config = if wide { config.with_profile(Profile::Uart16750) } else { config };
        let mut port = PortBuilder::new().with_uart(config).build(Irq);
        let mut recording = port.record(1 << 20).unwrap();
        let attach = || Attach::new(Identity::new("test", 0, None)).with_mode(Mode::TakeOver);
        let mut session = port.console().attach(attach()).unwrap();
        for step in steps {
            match step {
                Step::Read(register) => drop(port.read_register(register)),
                Step::Write(register, value) => port.write_register(register, value),
                Step::Type(bytes) => drop(session.write(&bytes).unwrap()),
                Step::Break => drop(session.send_break().unwrap()),
                Step::Damaged(byte, error) => drop(session.send_damaged(byte, error).unwrap()),
                Step::Modem(inputs) => port.set_modem_inputs(Msr::from_bits_retain(inputs)),
                Step::TakeOver => session = port.console().attach(attach()).unwrap(),
            }
        }
        let text = recording.take();
        prop_assert_eq!(replay(&text), [""; 0], "{}", text);
        prop_assert_eq!(parse(&text).settings().config, config);
    }
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
    let mut port = SerialPort::new(Irq);
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
fn lines_that_the_reader_did_not_take_in_time_are_declared_lost() {
    let mut port = SerialPort::new(Irq);
    let mut recording = port.record(4096).unwrap();
    for _ in 0..10_000 {
        port.read_register(LSR);
    }
    let text = recording.take();
    let error = text.parse::<Trace>().unwrap_err();
    assert!(error.to_string().contains("operations were lost"), "{error}");
}

/// The guest goes on while the recording ends. The file ends with a whole line.
#[test]
fn a_recording_of_a_guest_that_goes_on_ends_with_a_line() {
    for _ in 0..50 {
        let file = Shared::default();
        let mut port = SerialPort::new(Irq);
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
            // The reader was lapped, because the machine had no time for its thread.
            Err(error) => assert!(error.to_string().contains("lost"), "{error}"),
        }
    }
}

#[test]
fn a_port_that_the_guest_has_touched_is_not_recorded() {
    let mut port = SerialPort::new(Irq);
    port.write_register(SCR, 1);
    assert!(port.record(1 << 16).unwrap_err().to_string().contains("before the guest has touched it"));
}

#[test]
fn a_recording_ends_when_it_is_dropped_or_finished() {
    let mut port = SerialPort::new(Irq);
    let recording = port.record(4096).unwrap();
    port.read_register(LSR);
    drop(recording);
    for _ in 0..10_000 {
        port.read_register(LSR);
    }
    let file = Shared::default();
    let mut port = SerialPort::new(Irq);
    let saving = port.record(4096).unwrap().save(file.clone()).unwrap();
    port.read_register(LSR);
    saving.finish(PATIENCE).unwrap();
    for _ in 0..10_000 {
        port.read_register(LSR);
    }
    assert_eq!(file.0.lock().unwrap().as_slice(), b"# vuart trace v1\nat chip\nr 5 60\n");
}

#[test]
fn a_file_that_takes_nothing_delays_no_one_beyond_their_patience() {
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
    let mut port = SerialPort::new(Irq);
    let saving = port.record(4096).unwrap().save(Stuck(stuck)).unwrap();
    port.read_register(LSR);
    assert_eq!(saving.finish(std::time::Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(release);
}

#[test]
fn a_full_disk_is_reported_and_the_guest_goes_on() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut port = SerialPort::new(Irq);
    let saving = port.record(4096).unwrap().save(Full).unwrap();
    for _ in 0..10_000 {
        assert_eq!(port.read_register(LSR), 0x60);
    }
    assert_eq!(saving.finish(PATIENCE).unwrap_err().kind(), io::ErrorKind::StorageFull);
}
