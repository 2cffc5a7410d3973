//! Snapshots: row S19, invariant 7, and the saved states of every release. `refused_states.rs` has the rest of S4.

use proptest::prelude::*;
use vuart_16550::spec::{Lsr, Msr, offset::*};
use vuart_16550::{
    CharacterState, CharacterTimeoutV1 as Timeout, Characters, Config, Profile, ThreV1 as Thre, Time, Timed,
    TimedStateV1, Uart, UartState, UartStateV1,
};

/// The most operations in a sequence. The state goes through JSON between any two operations, and Miri is a thousand times
/// slower.
const LONGEST: usize = if cfg!(miri) { 8 } else { 100 };

/// More than the events of a full transmitter and receiver. A UART that needs more never ends.
const STEPS_MAX: usize = 1000;

#[derive(Debug, Clone)]
enum Operation {
    Read(u8),
    Write(u8, u8),
    Receive(u8, u8),
    Modem(u8),
    Pass(u32),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..8_u8).prop_map(Operation::Read),
        3 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Operation::Write(register, value)),
        2 => any::<u8>().prop_map(|value| Operation::Write(THR, value)),
        2 => (any::<u8>(), prop_oneof![2 => Just(0), 1 => any::<u8>()]).prop_map(|(data, errors)| Operation::Receive(data, errors)),
        1 => any::<u8>().prop_map(Operation::Modem),
        2 => (0..2_000_000_u32).prop_map(Operation::Pass),
    ]
}

fn profile() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::Uart16450), Just(Profile::Uart16550a), Just(Profile::Uart16750)]
}

/// Checks that a UART whose state goes through JSON between any two operations behaves like one that is left alone.
fn goes_on<T: Time + Clone>(
    mut alone: Uart<T>,
    operations: &[Operation],
    mut pass: impl FnMut(&mut Uart<T>, u32) -> Vec<(u64, u8)>,
) {
    let mut moved = alone.clone();
    for operation in operations {
        let json = serde_json::to_vec(&moved.state()).unwrap();
        moved = Uart::restore(&serde_json::from_slice(&json).unwrap()).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&json));
        });
        let answers = [&mut alone, &mut moved].map(|uart| match operation {
            Operation::Read(register) => vec![(0, uart.read(*register))],
            Operation::Write(register, value) => {
                uart.write(*register, *value).map(|byte| (0, byte)).into_iter().collect()
            }
            Operation::Receive(data, errors) => {
                uart.receive_with_errors(*data, Lsr::from_bits_retain(*errors));
                Vec::new()
            }
            Operation::Modem(inputs) => {
                uart.set_modem_inputs(Msr::from_bits_retain(*inputs));
                Vec::new()
            }
            Operation::Pass(nanoseconds) => pass(uart, *nanoseconds),
        });
        assert_eq!(answers[0], answers[1], "{operation:?}");
        assert_eq!(alone.interrupt(), moved.interrupt(), "{operation:?}");
        assert_eq!(alone.state(), moved.state(), "{operation:?}");
    }
}

/// Advances time, and returns the characters that leave, each with its time.
fn pass(uart: &mut Uart<Timed>, nanoseconds: u32) -> Vec<(u64, u8)> {
    let until = uart.now() + u64::from(nanoseconds);
    let left: Vec<_> =
        std::iter::from_fn(|| uart.advance(until).map(|byte| (uart.now(), byte))).take(STEPS_MAX).collect();
    assert!(left.len() < STEPS_MAX, "characters never stop leaving");
    left
}

proptest! {
    /// Invariant 7: a restored UART continues as if nothing had happened.
    #[test]
    fn a_restored_uart_continues_as_before(profile in profile(), gate: bool, operations in prop::collection::vec(operation(), 0..LONGEST)) {
        let config = Config::new().with_profile(profile).with_out2_gate(gate);
        goes_on(Uart::new(config), &operations, |_, _| Vec::new());
        goes_on(Uart::timed(config), &operations, pass);
    }

    /// S4: a state from a file is refused, or makes a UART that does not hang.
    #[test]
    fn s4_any_state_is_refused_or_works(state in any_state(), timed in prop::option::of(any_timed())) {
        let state = UartState::V1(UartStateV1 { timed: timed.clone(), ..state });
        if timed.is_none() {
            let Ok(mut uart) = Uart::<vuart_16550::Instant>::restore(&state) else { return Ok(()) };
            prop_assert_eq!(&uart.state(), &state);
            works(&mut uart);
        } else {
            let Ok(mut uart) = Uart::<Timed>::restore(&state) else { return Ok(()) };
            prop_assert_eq!(&uart.state(), &state);
            // R9: the transmitter becomes empty. Flow control could hold it, so it is switched off.
            uart.write(MCR, 0x08);
            let mut steps = 0;
            while let Some(at) = uart.next_event() {
                let _ = uart.advance(at);
                steps += 1;
                prop_assert!(steps < STEPS_MAX, "events never end");
            }
            prop_assert_eq!(uart.read(LSR) & 0x60, 0x60);
            works(&mut uart);
        }
    }

    /// S4, with spoilt bytes instead of a spoilt structure.
    #[test]
    #[cfg_attr(miri, ignore = "Miri would mostly check the JSON reader")]
    fn s4_a_spoilt_snapshot_never_panics(index: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        for (_, json) in corpus() {
            let mut bytes = json.into_bytes();
            let at = index.index(bytes.len());
            bytes[at] = byte;
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                if let Ok(state) = serde_json::from_slice::<UartState>(bytes) {
                    let _ = Uart::<vuart_16550::Instant>::restore(&state);
                    let _ = Uart::<Timed>::restore(&state);
                }
            }
        }
    }
}

/// Checks that a driver gets the line low in a bounded number of steps.
fn works<T: Time>(uart: &mut Uart<T>) {
    uart.write(LCR, 0x03);
    for _ in 0..200 {
        if !uart.interrupt() {
            return;
        }
        uart.read(IIR);
        uart.read(LSR);
        uart.read(RBR);
        uart.read(MSR);
    }
    panic!("the line stays high: {:?}", uart.state());
}

prop_compose! {
    fn any_state()(
        profile in profile(),
        out2_gate: bool,
        // Mostly values that the chip can have.
        ier in prop_oneof![0..0x10_u8, any::<u8>()],
        fcr in prop_oneof![Just(0x01_u8), Just(0xC1), Just(0x41), Just(0x21), Just(0), any::<u8>()],
        mcr in prop_oneof![0..0x20_u8, 0x20..0x40_u8, any::<u8>()],
        registers: (u8, u8, u16),
        line_errors in prop_oneof![Just(0_u8), Just(0x02), any::<u8>()],
        modem in (0..16_u8, 0..16_u8),
        flags: (bool, bool),
        receiver in prop::collection::vec((any::<u8>(), prop_oneof![3 => Just(0_u8), 1 => any::<u8>()]), 0..=64),
        short in prop::option::weighted(0.8, 0..3_usize),
    ) -> UartStateV1 {
        let receiver = receiver.into_iter().take(short.unwrap_or(64));
        UartStateV1 {
            profile, out2_gate, ier, fcr, mcr, line_errors,
            lcr: registers.0, scr: registers.1, divisor: registers.2,
            modem_inputs: modem.0 << 4, modem_deltas: modem.1,
            thre_pending: flags.0, rts_held: flags.1,
            receiver: receiver.map(|(data, errors)| CharacterState { data, errors }).collect(),
            timed: None,
        }
    }
}

fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![0..1_000_000_u64, any::<u64>(), Just(u64::MAX)]
}

prop_compose! {
    fn any_timed()(
        clock in prop_oneof![Just(1_843_200_u32), 1..=u32::MAX],
        now in moment(),
        transmitter in prop::collection::vec(any::<u8>(), 0..=64),
        short in prop::option::weighted(0.8, 0..3_usize),
        shifting in prop::option::of((any::<u8>(), moment())),
        thre in prop_oneof![Just(Thre::Set), Just(Thre::Clear), moment().prop_map(Thre::SetAt)],
        flags: (bool, bool),
        timeout in prop_oneof![Just(Timeout::Idle), Just(Timeout::Expired), moment().prop_map(Timeout::At)],
    ) -> TimedStateV1 {
        TimedStateV1 {
            clock: clock.try_into().unwrap(), now, shifting, thre, timeout,
            transmitter: transmitter.into_iter().take(short.unwrap_or(64)).collect::<Characters<u8>>(),
            two_queued: flags.0, undelayed: flags.1,
        }
    }
}

/// Returns the committed states of every release: name and JSON.
fn corpus() -> Vec<(String, String)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states");
    let mut corpus: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    corpus.sort();
    corpus
}

/// Makes the states in `tests/states` anew. Each name begins with the version of the format.
fn examples() -> Vec<(&'static str, UartState)> {
    let reset = Uart::default();

    let mut receiving = Uart::default();
    for (register, value) in [(LCR, 0x03), (FCR, 0x87), (MCR, 0x0B), (IER, 0x05), (SCR, 0x5A)] {
        receiving.write(register, value);
    }
    for byte in b"abc" {
        receiving.receive(*byte);
    }
    receiving.receive_with_errors(b'd', Lsr::PE | Lsr::FE);
    receiving.receive_break();
    for byte in 0..12 {
        receiving.receive(byte);
    }

    let mut waiting_for_thre = Uart::default();
    waiting_for_thre.write(IER, 0x02);
    waiting_for_thre.write(THR, b'x');

    let mut loopback = Uart::new(Config::new().with_out2_gate(false));
    for (register, value) in
        [(FCR, 0x01), (MCR, 0x1A), (THR, b'l'), (IER, 0x08), (LCR, 0x80), (DLL, 1), (DLM, 2)]
    {
        loopback.write(register, value);
    }

    let mut old = Uart::new(Config::new().with_profile(Profile::Uart16450));
    old.receive(b'a');
    old.receive(b'b');
    old.set_modem_inputs(Msr::RI);

    let mut wide = Uart::new(Config::new().with_profile(Profile::Uart16750));
    for (register, value) in [(LCR, 0x80), (FCR, 0x61), (LCR, 0x03), (MCR, 0x2B), (IER, 0x01)] {
        wide.write(register, value);
    }
    for byte in 0..40 {
        wide.receive(byte);
    }

    let mut timed = Uart::timed(Config::new());
    for (register, value) in [(LCR, 0x83), (DLL, 1), (DLM, 0), (LCR, 0x03), (FCR, 0x81), (IER, 0x03)] {
        timed.write(register, value);
    }
    let _ = timed.advance(1_000);
    timed.receive(b'r');
    for byte in b"transmit" {
        timed.write(THR, *byte);
    }
    assert_eq!([(); 3].map(|()| timed.advance(200_000)), [Some(b't'), Some(b'r'), None]);

    vec![
        ("v1-16450-overrun", old.state()),
        ("v1-16750-rts-held", wide.state()),
        ("v1-loopback", loopback.state()),
        ("v1-receiving", receiving.state()),
        ("v1-reset", reset.state()),
        ("v1-thre-pending", waiting_for_thre.state()),
        ("v1-timed-transmitting", timed.state()),
    ]
}

/// The committed states must always restore, and to the same UART.
///
/// To add a state or a version, add it to `examples` and run this test with `VUART_WRITE_STATES=1`. That writes the missing
/// files and never overwrites a file.
#[test]
fn states_of_every_release_restore() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states");
    for (name, state) in examples() {
        let path = directory.join(name).with_extension("json");
        if std::env::var_os("VUART_WRITE_STATES").is_some() && !path.exists() {
            std::fs::write(&path, serde_json::to_string_pretty(&state).unwrap() + "\n").unwrap();
        }
        // The second format has no names of fields, only positions.
        let positional = path.with_extension("postcard");
        if std::env::var_os("VUART_WRITE_STATES").is_some() && !positional.exists() {
            std::fs::write(&positional, postcard::to_stdvec(&state).unwrap()).unwrap();
        }
        let json =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let kept: UartState = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bytes = std::fs::read(&positional).unwrap();
        assert_eq!(postcard::from_bytes::<UartState>(&bytes), Ok(kept.clone()), "{name}");
        // The UART is the same, whatever the version of the file.
        let same = |state: &UartState| match Uart::<Timed>::restore(state) {
            Ok(uart) => uart.state(),
            Err(_) => Uart::<vuart_16550::Instant>::restore(state)
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .state(),
        };
        assert_eq!(same(&kept), same(&state), "{name}");
    }
    let known: Vec<_> = examples().iter().map(|(name, _)| (*name).to_owned()).collect();
    let kept: Vec<_> = corpus().into_iter().map(|(name, _)| name).collect();
    assert_eq!(kept, known, "`examples` makes each committed state");
}

#[test]
fn states_of_every_release_show_the_guest_the_same_registers() {
    for (name, json) in corpus() {
        let state: UartState = serde_json::from_str(&json).unwrap();
        let read = |registers: &[u8]| -> Vec<u8> {
            if name.contains("timed") {
                let mut uart = Uart::<Timed>::restore(&state).unwrap();
                registers.iter().map(|register| uart.read(*register)).collect()
            } else {
                let mut uart = Uart::<vuart_16550::Instant>::restore(&state).unwrap();
                registers.iter().map(|register| uart.read(*register)).collect()
            }
        };
        let (registers, expected): (&[u8], &[u8]) = match name.as_str() {
            "v1-reset" => (&[IER, IIR, LCR, MCR, LSR, MSR, SCR], &[0, 0x01, 0, 0x08, 0x60, 0xB0, 0]),
            "v1-receiving" => (
                &[IIR, LSR, IIR, RBR, RBR, RBR, LSR, RBR, LSR],
                &[0xC6, 0xE3, 0xC4, b'a', b'b', b'c', 0xED, b'd', 0xF1],
            ),
            "v1-thre-pending" => (&[IIR, IIR], &[0x02, 0x01]),
            "v1-loopback" => (&[IIR, DLL, DLM, MSR], &[0xC0, 1, 2, 0x92]),
            "v1-16450-overrun" => (&[LSR, RBR, LSR, MSR], &[0x63, b'b', 0x60, 0x4B]),
            "v1-16750-rts-held" => (&[IIR, RBR, LSR], &[0xE4, 0, 0x61]),
            "v1-timed-transmitting" => (&[LSR, IIR, RBR, IIR], &[0x01, 0xC1, b'r', 0xC1]),
            other => panic!("this test has no expectation for {other}"),
        };
        assert_eq!(read(registers), expected, "{name}");
    }
}

#[test]
fn s19_a_transfer_completes_whenever_the_snapshot_was_taken() {
    // The driver sends one character at each THRE interrupt. The edge must come again after a restore.
    let text = b"a transfer of some length";
    for snapshot_at in (0..text.len() * 3).step_by(if cfg!(miri) { 10 } else { 1 }) {
        let mut uart = Uart::default();
        let mut step = 0;
        let mut sent = Vec::new();
        let mut next = text.iter();
        let mut moved = |uart: &mut Uart| {
            if step == snapshot_at {
                *uart = Uart::restore(&uart.state()).unwrap();
            }
            step += 1;
        };
        uart.write(IER, 0x02);
        loop {
            moved(&mut uart);
            assert!(uart.interrupt(), "the driver waits for ever after a snapshot at step {snapshot_at}");
            assert_eq!(uart.read(IIR), 0x02);
            moved(&mut uart);
            let Some(byte) = next.next() else { break };
            sent.extend(uart.write(THR, *byte));
            moved(&mut uart);
        }
        assert_eq!(sent, text);
    }
}

/// A VMM may hold a thousand UARTs. The receiver has 64 places of two bytes, and in timed mode the transmitter has 64 of one.
#[test]
fn the_state_is_small() {
    const RECEIVER: usize = 64 * 2;
    const TRANSMITTER: usize = 64;
    let instant = size_of::<Uart>() - RECEIVER;
    let timed = size_of::<Uart<Timed>>() - RECEIVER - TRANSMITTER;
    eprintln!("without the FIFOs: {instant} bytes, in timed mode {timed} bytes");
    assert!(instant <= 128 && timed <= 128, "{instant}, {timed}");
}
