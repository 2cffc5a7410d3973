//! A guest can't tell the fast path from the long way. Two ports get the same guest and the same host. One of them records, so it always
//! takes the long way.

mod support;

use proptest::prelude::*;
use support::{Edges, owner};
use vuart::endpoint::Session;
use vuart::uart::spec::{Msr, offset::*};
use vuart::uart::{Config, Profile};
use vuart::{PortBuilder, RingSize, SerialPort};

#[derive(Debug, Clone)]
enum Operation {
    Read(u8),
    Write(u8, u8),
    /// A driver that polls reads LSR and writes a character.
    Print(u8),
    ReadString(u8, usize),
    WriteString(u8, Vec<u8>),
    /// An access to neighbouring registers, some of them beyond the last.
    Wide(u64, Vec<u8>),
    Type(Vec<u8>),
    Paste(usize),
    /// A guest that polls, or whose handler looks at LSR alone.
    Drain(usize),
    Break,
    TakeOver,
    HangUp,
    Modem(u8),
}

fn operation() -> impl Strategy<Value = Operation> {
    let setting = prop_oneof![
        (Just(IER), prop::sample::select(vec![0, 1, 2, 3, 7, 8, 0x0F])),
        (Just(FCR), prop::sample::select(vec![0, 1, 7, 0x81, 0x87])),
        (Just(LCR), prop::sample::select(vec![3, 3, 3, 0x83, 0x43])),
        (Just(MCR), prop::sample::select(vec![0x0B, 0x0B, 0x08, 0x00, 0x03, 0x10, 0x13, 0x1B, 0x2B])),
    ];
    let bytes = || prop::collection::vec(any::<u8>(), 0..24);
    prop_oneof![
        8 => prop::sample::select(vec![RBR, IIR, LSR, MSR]).prop_map(Operation::Read),
        1 => (0..8_u8).prop_map(Operation::Read),
        4 => setting.prop_map(|(register, value)| Operation::Write(register, value)),
        1 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Operation::Write(register, value)),
        6 => any::<u8>().prop_map(|value| Operation::Write(THR, value)),
        3 => any::<u8>().prop_map(Operation::Print),
        1 => (0..10_u8, 0..24_usize).prop_map(|(register, len)| Operation::ReadString(register, len)),
        2 => (prop_oneof![4 => Just(THR), 1 => 0..10_u8], bytes())
            .prop_map(|(register, bytes)| Operation::WriteString(register, bytes)),
        1 => (0..10_u64, bytes()).prop_map(|(offset, bytes)| Operation::Wide(offset, bytes)),
        2 => bytes().prop_map(Operation::Type),
        1 => (200..600_usize).prop_map(Operation::Paste),
        1 => (1..80_usize).prop_map(Operation::Drain),
        1 => Just(Operation::Break),
        1 => Just(Operation::TakeOver),
        1 => Just(Operation::HangUp),
        1 => any::<u8>().prop_map(Operation::Modem),
    ]
}

/// A port, its interrupts, and the owner of its console.
struct Board {
    port: SerialPort<Edges>,
    edges: Edges,
    owner: Session,
}

impl Board {
    fn new(uart: Config) -> Self {
        let edges = Edges::default();
        let port = PortBuilder::new()
            .with_scrollback(RingSize::of::<{ 1 << 16 }>())
            .with_uart(uart)
            .build(edges.clone());
        let owner = owner(&port);
        Self { port, edges, owner }
    }

    /// Does it, and returns what the guest reads.
    fn does(&mut self, operation: &Operation) -> Vec<u8> {
        let port = &mut self.port;
        let mut seen = Vec::new();
        match operation {
            Operation::Read(register) => seen.push(port.read_register(*register)),
            Operation::Write(register, value) => port.write_register(*register, *value),
            Operation::Print(value) => {
                seen.push(port.read_register(LSR));
                port.write(u64::from(THR), &[*value]);
            }
            Operation::ReadString(register, len) => {
                seen.resize(*len, 0xA5);
                port.read_string(u64::from(*register), &mut seen);
            }
            Operation::WriteString(register, bytes) => port.write_string(u64::from(*register), bytes),
            Operation::Wide(offset, bytes) => {
                port.write(*offset, bytes);
                seen.clone_from(bytes);
                port.read(*offset, &mut seen);
            }
            Operation::Type(bytes) => {
                self.owner.write(bytes).unwrap();
            }
            Operation::Paste(count) => {
                self.owner.write(&vec![b'p'; *count]).unwrap();
            }
            Operation::Drain(count) => {
                for _ in 0..*count {
                    seen.extend([LSR, RBR].map(|register| port.read_register(register)));
                }
            }
            Operation::Break => {
                self.owner.send_break().unwrap();
            }
            Operation::TakeOver => self.owner = owner(port),
            Operation::HangUp => {
                port.console().hang_up();
            }
            Operation::Modem(inputs) => port.set_modem_inputs(Msr::from_bits_retain(*inputs)),
        }
        seen
    }

    fn output(&self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        let read = self.port.console().scrollback().read_at(0, &mut bytes);
        bytes.truncate(read.len());
        bytes
    }
}

proptest! {
    #[test]
    fn the_fast_path_has_the_answers_of_the_long_way(
        operations in prop::collection::vec(operation(), 0..300),
        profile in prop::sample::select(vec![Profile::Uart16450, Profile::Uart16550a, Profile::Uart16750]),
        out2_gate: bool,
    ) {
        let uart = Config::new().with_profile(profile).with_out2_gate(out2_gate);
        let (mut short, mut long) = (Board::new(uart), Board::new(uart));
        let _recording = long.port.record(1 << 16).unwrap();
        for (number, operation) in operations.iter().enumerate() {
            prop_assert_eq!(short.does(operation), long.does(operation), "{}: {:?}", number, operation);
            prop_assert_eq!(short.edges.count(), long.edges.count(), "{}: {:?}", number, operation);
            prop_assert_eq!(short.port.counters(), long.port.counters(), "{}: {:?}", number, operation);
            prop_assert_eq!(short.port.state(), long.port.state(), "{}: {:?}", number, operation);
        }
        prop_assert_eq!(short.output(), long.output());
    }
}

/// Both ports above take a string byte by byte while one records. So this compares a string with single writes.
#[test]
fn a_string_is_its_bytes_one_by_one() {
    for setting in [(IER, 0x02), (MCR, 0x18), (LCR, 0x83), (SCR, 0)] {
        let (mut whole, mut single) = (Board::new(Config::new()), Board::new(Config::new()));
        for (board, string) in [(&mut whole, true), (&mut single, false)] {
            board.port.write_register(FCR, 0x01);
            board.port.write_register(setting.0, setting.1);
            board.port.read_register(IIR);
            if string {
                board.port.write_string(0, b"twenty-one characters");
            } else {
                b"twenty-one characters".iter().for_each(|byte| board.port.write_register(THR, *byte));
            }
        }
        assert_eq!(whole.output(), single.output(), "{setting:?}");
        assert_eq!(whole.edges.count(), single.edges.count(), "{setting:?}");
        assert_eq!(whole.port.state(), single.port.state(), "{setting:?}");
    }
}

#[test]
fn a_string_beyond_the_registers_reads_ones_and_has_no_effect() {
    let Board { mut port, .. } = Board::new(Config::new());
    let mut data = [0; 3];
    port.read_string(8, &mut data);
    port.write_string(u64::MAX, b"lost");
    assert_eq!((data, port.counters().bad_accesses()), ([0xFF; 3], 2));
    assert_eq!(port.console().scrollback().end(), 0);
}

/// Input that comes while the guest polls LSR on the fast path is found by the next poll, and by the interrupt handler.
#[test]
fn input_is_seen_by_the_next_read_of_lsr() {
    for ier in [0x00, 0x01] {
        let mut board = Board::new(Config::new());
        board.port.write_register(IER, ier);
        for key in b"abc" {
            for _ in 0..3 {
                assert_eq!(board.port.read_register(LSR), 0x60);
                assert_eq!(board.port.read_register(IIR), 0x01);
            }
            board.owner.write(&[*key]).unwrap();
            assert_eq!(board.edges.take(), usize::from(ier));
            assert_eq!(board.port.read_register(IIR), if ier == 0 { 0x01 } else { 0x04 });
            assert_eq!(board.port.read_register(LSR), 0x61);
            assert_eq!(board.port.read_register(RBR), *key);
        }
        // A new owner discards what the guest has been interrupted for. The guest is told of the next input as well.
        board.owner.write(b"x").unwrap();
        board.owner = owner(&board.port);
        board.port.read_register(IIR);
        board.edges.take();
        board.owner.write(b"y").unwrap();
        assert_eq!(board.edges.take(), usize::from(ier));
        assert_eq!((board.port.read_register(LSR), board.port.read_register(RBR)), (0x61, b'y'));
    }
}

/// The guest has been interrupted for input that the new owner has discarded, and reads another register first.
#[test]
fn a_guest_is_told_of_the_next_owners_input_whatever_it_reads_first() {
    for first in [IER, LCR, MCR, MSR, SCR] {
        let mut board = Board::new(Config::new());
        board.port.write_register(IER, 0x01);
        board.port.read_register(IIR);
        board.port.read_register(LSR);
        board.owner.write(b"x").unwrap();
        board.owner = owner(&board.port);
        assert_eq!(board.edges.take(), 1, "register {first}");
        board.port.read_register(first);
        assert_eq!((board.port.read_register(IIR), board.port.read_register(LSR)), (0x01, 0x60));
        board.owner.write(b"y").unwrap();
        assert_eq!(board.edges.take(), 1, "register {first}");
    }
}

/// A hang-up that comes in loopback, where the guest does not see it, ends when the guest looks after that.
#[test]
fn a_carrier_that_was_dropped_in_loopback_goes_up_again() {
    let Board { mut port, .. } = Board::new(Config::new());
    port.write_register(MCR, 0x13);
    port.read_register(MSR);
    port.console().hang_up();
    port.read_register(MSR);
    port.write_register(MCR, 0x03);
    let seen = [(); 3].map(|()| port.read_register(MSR));
    assert_eq!(seen, [0x30, 0xB8, 0xB0]);
}

/// In a pause the line is high for input that a take-over can discard, so each access looks at it.
#[test]
fn f2_input_that_is_discarded_in_a_pause_lowers_the_line_on_the_fast_path_too() {
    use Operation::{Read, TakeOver, Type, Write};
    let (mut short, mut long) = (Board::new(Config::new()), Board::new(Config::new()));
    let _recording = long.port.record(1 << 16).unwrap();
    let typed = Type(b"a".to_vec());
    let begins = [Write(FCR, 0x01), Write(IER, 0x01), typed.clone(), Write(FCR, 0x03), Write(THR, 0)];
    for operation in begins.into_iter().chain([TakeOver, Write(THR, 0), Read(SCR), typed, Read(IER)]) {
        assert_eq!(short.does(&operation), long.does(&operation), "{operation:?}");
        assert_eq!(short.edges.count(), long.edges.count(), "{operation:?}");
    }
}
