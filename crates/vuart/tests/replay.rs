//! Traces on a port, and characters with errors at it.

mod support;

use support::{Edges, owner, port};
use vuart::endpoint::{LineError, Session, Symbol};
use vuart::replay::{PortBoard, device};
use vuart::trace::{Boundary, Device, Mode, Settings, Trace};
use vuart::uart::Config;
use vuart::uart::spec::offset::{FCR, IER, IIR, LSR, MCR, RBR, THR};
use vuart::{PortBuilder, PortState};

fn parse(text: &str) -> Trace {
    text.parse().unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// Replays on the device that belongs to the trace, and returns the mismatches as text.
fn replay(text: &str) -> Vec<String> {
    let trace = parse(text);
    let mut device = device(trace.settings()).unwrap();
    trace.replay(&mut *device).iter().map(ToString::to_string).collect()
}

/// What only a port has is the queue: of three characters, a reset of the receiver takes none from the guest for good.
fn keeps_input_through_a_reset(device: &mut dyn Device) -> bool {
    device.write(FCR, 0x01);
    b"abc".iter().for_each(|byte| device.receive(*byte));
    device.read(LSR);
    device.write(FCR, 0x03);
    // DR may be 0 once.
    device.read(LSR) & 0x01 != 0 || device.read(LSR) & 0x01 != 0
}

#[test]
fn f4_each_kind_of_trace_has_its_device_and_the_device_its_name() {
    let (instant, timed) = (Mode::Instant, Mode::Timed);
    for (mode, boundary, name, is_port) in [
        (instant, Boundary::Port, "SerialPort", true),
        (instant, Boundary::Chip, "Uart", false),
        (timed, Boundary::Port, "Uart<Timed>", false),
        (timed, Boundary::Chip, "Uart<Timed>", false),
    ] {
        let mut settings = Settings::new(mode, Config::new());
        settings.boundary = boundary;
        let mut device = device(settings).unwrap();
        assert_eq!(device.name(), name);
        assert_eq!(device.pass(1).is_ok(), mode == timed, "only virtual time passes");
        assert_eq!(keeps_input_through_a_reset(&mut *device), is_port, "{name}");
    }
}

#[test]
fn f4_a_port_board_does_what_a_trace_can_say() {
    assert_eq!(
        replay(
            "w 2 01\nw 1 0f\nirq 1\nr 2 c2\nirq 0\n\
             rx-err pe 41\nirq 1\nr 2 c6\nr 5 e5\nr 2 c4\nr 0 41\nirq 0\n\
             rx-err fe 42\nrx-err pe+fe 43\nbreak\nrx 44\nr 5 e9\nr 0 42\nr 5 ed\nr 0 43\nr 5 f1\nr 0 00\nr 5 61\nr 0 44\nirq 0\n\
             w 0 61\nw 0 62\ntx 61 62\ntx\nw 3 43\ntx-break 1\nw 3 03\ntx-break 0\n\
             r 2 c2\nmodem -cts +ri\nirq 1\nr 2 c0\nr 6 e1\nmodem -ri\nr 6 a4\nirq 0\n"
        ),
        [""; 0]
    );
}

#[test]
fn more_than_the_queue_holds_waits_for_the_guest() {
    let mut board = PortBoard::new(Config::new()).unwrap();
    board.write(FCR, 0x01);
    let sent: Vec<u8> = (0..10_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    for byte in &sent {
        board.receive(*byte);
    }
    let mut received = Vec::new();
    // Often enough for the pauses in which DR is 0.
    for _ in 0..2 * sent.len() {
        if board.read(LSR) & 0x01 != 0 {
            received.push(board.read(RBR));
        }
    }
    assert!(received == sent);
}

/// The edges are what a VMM's guest gets, so a level without one does not count.
#[test]
fn f4_an_interrupt_counts_from_its_edge() {
    let mut board = PortBoard::new(Config::new()).unwrap();
    board.write(IER, 0x04);
    board.receive(b'a');
    assert!(!board.interrupt(), "a whole character is none of the line's errors");
    board.write(IER, 0x01);
    assert!(board.interrupt(), "it waits in the queue, and the guest was told");
    assert_eq!(board.read(RBR), b'a');
    assert!(!board.interrupt());
}

#[test]
fn f4_a_damaged_character_arrives_with_its_error() {
    let (mut port, edges) = port();
    port.write_register(FCR, 0x01);
    port.write_register(IER, 0x05);
    let mut owner = owner(&port);
    for (error, lsr) in
        [(LineError::Parity, 0x04), (LineError::Framing, 0x08), (LineError::ParityAndFraming, 0x0C)]
    {
        assert_eq!((owner.send_damaged(b'x', error), edges.take()), (Ok(true), 1));
        assert_eq!(port.read_register(IIR), 0xC6);
        assert_eq!(port.read_register(LSR), 0xE1 | lsr);
        assert_eq!((port.read_register(LSR), port.read_register(RBR)), (0x61, b'x'));
    }
    // Each error belongs to its own character.
    owner.write(b"a").unwrap();
    owner.send_damaged(b'b', LineError::Parity).unwrap();
    owner.write(b"c").unwrap();
    assert_eq!((port.read_register(IIR), port.read_register(LSR)), (0xC4, 0xE1));
    assert_eq!((port.read_register(RBR), port.read_register(LSR)), (b'a', 0xE5));
    assert_eq!((port.read_register(RBR), port.read_register(LSR)), (b'b', 0x61));
    assert_eq!(port.read_register(RBR), b'c');
    assert_eq!(port.console().counters().input_accepted, 6);
}

/// Input that has no room is refused, so a port has no overrun to report but a guest's own in loopback.
#[test]
fn f4_a_damaged_character_without_room_is_refused_and_no_overrun() {
    let (mut port, _) = port();
    let mut owner = owner(&port);
    assert_eq!(owner.write(&[b'x'; 4096]), Ok(4096));
    assert_eq!(owner.send_damaged(b'y', LineError::Parity), Ok(false));
    assert_eq!(port.read_register(LSR) & 0x02, 0);
    port.write_register(MCR, 0x10);
    port.write_register(FCR, 0x03);
    (0..17).for_each(|_| port.write_register(THR, b'z'));
    assert_eq!(port.read_register(LSR) & 0x02, 0x02);
}

#[test]
fn f4_a_damaged_character_survives_a_snapshot() {
    let (mut port, _) = port();
    port.write_register(FCR, 0x01);
    let mut owner: Session = owner(&port);
    owner.write(b"a").unwrap();
    owner.send_damaged(b'b', LineError::Framing).unwrap();
    let state = port.state();
    assert_eq!(
        state.clone().latest().waiting,
        [Symbol::Byte(b'a'), Symbol::Damaged(b'b', LineError::Framing)]
    );
    let bytes = postcard::to_allocvec(&state).unwrap();
    let state: PortState = postcard::from_bytes(&bytes).unwrap();
    let mut port = PortBuilder::restore(&state).build(Edges::default()).unwrap();
    assert_eq!((port.read_register(LSR), port.read_register(RBR)), (0x61, b'a'));
    assert_eq!((port.read_register(LSR), port.read_register(RBR)), (0xE9, b'b'));
}
