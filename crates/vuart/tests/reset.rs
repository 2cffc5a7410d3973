//! The reset of the guest: the port is as a fresh one, and the console goes on.

mod support;

use std::sync::mpsc;
use std::time::Instant;

use proptest::prelude::*;
use support::{Edges, owner, port};
use vuart::endpoint::{Cause, Console, EventKind, Policy};
use vuart::scrollback::Position;
use vuart::uart::spec::{Msr, offset::*};
use vuart::{MmioPort, PortBuilder, PortState, SerialPort, SharedMmioPort, SharedPort};

/// The registers that can be read without an effect, and the divisor.
fn registers(port: &mut SerialPort<Edges>) -> [u8; 8] {
    let [ier, lcr, mcr, lsr, msr, scr] =
        [IER, LCR, MCR, LSR, MSR, SCR].map(|register| port.read_register(register));
    port.write_register(LCR, lcr | 0x80);
    let divisor = [DLL, DLM].map(|register| port.read_register(register));
    port.write_register(LCR, lcr);
    [ier, lcr, mcr, lsr, msr, scr, divisor[0], divisor[1]]
}

/// A guest with all interrupts, a break, loopback and a divisor of its own, whose line is high.
fn set_up(port: &mut SerialPort<Edges>) {
    port.write_register(FCR, 0x87);
    port.write_register(LCR, 0x80);
    port.write_register(DLL, 1);
    port.write_register(LCR, 0x5B);
    port.write_register(SCR, 0x5A);
    port.write_register(IER, 0x0F);
    port.write_register(MCR, 0x1B);
}

#[test]
fn f5_a_rebooted_guest_finds_the_registers_of_a_fresh_port_and_its_console_goes_on() {
    let (mut fresh, _) = port();
    let (mut port, edges) = port();
    let session = owner(&port);
    set_up(&mut port);
    port.write_string(THR.into(), b"into the loopback");
    assert!(port.interrupt());
    assert_eq!(port.console().scrollback().end(), 0);
    edges.take();

    assert_eq!(port.reset(), 0);
    assert!(!port.interrupt());
    assert!(!port.break_out());
    assert_eq!(registers(&mut port), registers(&mut fresh));
    assert_eq!(port.read_register(IIR), fresh.read_register(IIR));
    assert_eq!(port.state(), fresh.state());
    assert_eq!(edges.take(), 0);

    port.write_string(THR.into(), b"early console");
    assert_eq!(port.reset(), 13);
    port.write_string(THR.into(), b"again");
    let scrollback = port.console().scrollback();
    assert_eq!((scrollback.offset(Position::Boot), scrollback.end()), (13, 18));
    assert!(session.end().is_none());
}

#[test]
fn f5_a_reset_keeps_what_waits_and_asks_for_no_announcement() {
    let (mut port, edges) = port();
    let mut session = owner(&port);
    port.write_register(FCR, 0x87);
    port.write_register(IER, 0x01);
    port.reset();
    assert_eq!(session.write(b"typed"), Ok(5));
    assert_eq!(edges.take(), 0, "the new guest has not asked");
    assert_eq!(port.console().input_waiting(), 5);
    port.write_register(IER, 0x01);
    assert_eq!(edges.take(), 1);
    let mut read = [0; 5];
    port.read_string(RBR.into(), &mut read);
    assert_eq!(&read, b"typed");
}

#[test]
fn f5_what_the_receiver_had_taken_goes_back_to_the_front_of_the_queue() {
    let (mut port, _) = port();
    let mut session = owner(&port);
    port.write_register(FCR, 0x87);
    port.write_register(IER, 0x01);
    let typed: Vec<u8> = (0..40).collect();
    assert_eq!(session.write(&typed), Ok(40));
    for byte in 0..3 {
        assert_eq!(port.read_register(RBR), byte);
    }
    port.reset();
    assert_eq!(port.console().input_waiting(), 37);
    let mut read = Vec::new();
    // It polls. One look may find nothing: a line breathes.
    for _ in 0..1000 {
        if port.read_register(LSR) & 1 != 0 {
            read.push(port.read_register(RBR));
        }
    }
    assert_eq!(read, typed[3..]);
}

#[test]
fn f5_a_break_ends_and_flow_control_begins_anew() {
    let (mut port, _) = port();
    let mut session = owner(&port);
    port.write_register(MCR, 0x0B);
    port.write_register(MCR, 0x09); // RTS low: the guest has stopped input
    port.write_register(LCR, 0x43);
    assert!(port.break_out() && port.console().input_stopped());
    assert_eq!(session.write(b"a"), Ok(1));
    assert_eq!(port.read_register(LSR) & 1, 0);
    port.reset();
    assert!(!port.break_out() && !port.console().input_stopped());
    assert_eq!(port.read_register(LSR) & 1, 1, "firmware that never raises RTS gets its input");
}

/// What the console does when its guest is reset, with DTR high or low. Returns the events, and whether the session goes on.
fn reset_with(policy: Policy, mcr: u8) -> (Vec<EventKind>, bool) {
    let (mut port, _) = port();
    port.console().set_policy(policy);
    let session = owner(&port);
    let (sender, events) = mpsc::channel();
    port.console().observe(move |event| {
        let _ = sender.send(event.kind.clone());
    });
    port.write_register(MCR, mcr);
    port.reset();
    let _ = port.console().service(Instant::now());
    let goes_on = match session.end().map(|end| &end.cause) {
        None => true,
        Some(Cause::GuestHungUp) => false,
        other => panic!("{other:?}"),
    };
    (events.try_iter().collect(), goes_on)
}

#[test]
fn f5_a_reset_is_no_hang_up_unless_the_policy_says_so() {
    let reset = EventKind::GuestReset { count: 1 };
    for policy in [Policy::default(), Policy::default().with_detach_on_dtr()] {
        assert_eq!(reset_with(policy, 0x0B), (vec![reset.clone()], true));
    }
    let policy = Policy::default().with_detach_on_reset();
    assert_eq!(reset_with(policy, 0x08), (vec![reset.clone()], true), "DTR was low");
    let (events, goes_on) = reset_with(policy, 0x0B);
    assert!(!goes_on);
    assert!(matches!(&events[..], [first, EventKind::Ended { .. }] if *first == reset), "{events:?}");
}

#[test]
fn f5_many_resets_are_one_event_with_a_count() {
    let (mut port, _) = port();
    let (sender, events) = mpsc::channel();
    port.console().observe(move |event| {
        let _ = sender.send(event.kind.clone());
    });
    for _ in 0..1000 {
        port.reset();
    }
    let _ = port.console().service(Instant::now());
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [EventKind::GuestReset { count: 1000 }]);
    assert_eq!(port.console().counters().guest_resets, 1000);
}

/// What a guest sees in MSR, twice.
fn looks(port: &mut SerialPort<Edges>) -> [u8; 2] {
    [(); 2].map(|()| port.read_register(MSR))
}

#[test]
fn f5_a_hang_up_that_is_due_or_under_way_is_over() {
    // Due.
    let (mut port, edges) = port();
    port.write_register(IER, 0x08);
    port.console().hang_up();
    port.reset();
    port.write_register(IER, 0x08);
    edges.take();
    assert_eq!(looks(&mut port), [0xB0, 0xB0]);

    // Under way: the guest has been told, and has not read MSR.
    port.console().hang_up();
    assert_eq!(port.read_register(IIR) & 0x0F, 0x00);
    assert!(!Msr::from_bits_retain(port.state().latest().uart.latest().modem_inputs).contains(Msr::DCD));
    port.reset();
    assert_eq!(looks(&mut port), [0xB0, 0xB0]);

    // A later one is as the first.
    port.write_register(IER, 0x08);
    port.console().hang_up();
    assert_eq!(looks(&mut port), [0x38, 0xB8]);
}

#[test]
fn f5_the_modem_inputs_stay_as_the_vmm_drives_them_and_show_no_change() {
    let (mut port, _) = port();
    port.set_modem_inputs(Msr::CTS);
    port.reset();
    assert_eq!(looks(&mut port), [0x10, 0x10]);
}

#[test]
fn f5_every_kind_of_port_can_be_reset() {
    let shared = SharedPort::new(port().0);
    shared.write(MCR.into(), &[0x1B]);
    shared.write(THR.into(), b"x");
    assert_eq!(shared.reset(), 0);
    assert_eq!(shared.read_register(MCR), 0x08);

    let mut mmio = MmioPort::new(port().0, 2);
    mmio.write(4 << 2, &[0x1B]);
    assert_eq!(mmio.reset(), 0);
    let mut mcr = [0];
    mmio.read(4 << 2, &mut mcr);
    assert_eq!(mcr, [0x08]);
    let shared = SharedMmioPort::new(mmio);
    shared.write(0, b"y");
    assert_eq!(shared.reset(), 1);
}

#[test]
fn f5_a_port_on_another_board_is_reset_to_that_boards_chip() {
    use vuart::uart::{Config, Profile};
    let config = Config::new().with_profile(Profile::Uart16750).with_out2_gate(false);
    let build = || PortBuilder::new().with_uart(config).build(Edges::default());
    let (mut port, fresh) = (build(), build());
    set_up(&mut port);
    let mut restored = PortBuilder::restore(&port.state()).build(Edges::default()).unwrap();
    for port in [&mut port, &mut restored] {
        port.reset();
        let PortState::V3(state) = port.state() else { panic!("another version") };
        assert_eq!(state.uart, fresh.state().latest().uart);
    }
}

#[cfg(feature = "trace")]
#[test]
fn f5_a_recording_goes_on_and_replays() {
    use vuart::trace::{Board, Trace};
    let (mut port, _) = port();
    let mut recording = port.record(1 << 16).unwrap();
    let mut session = owner(&port);
    port.write_register(IER, 0x0F);
    port.write_register(LCR, 0x40);
    session.write(b"ab").unwrap();
    assert_eq!(port.read_register(LSR), 0x61);
    port.console().hang_up();
    port.read_register(IIR);
    port.reset();
    assert_eq!(port.read_register(MSR), 0xB0);
    port.write_register(THR, b'x');
    for _ in 0..8 {
        port.read_register(LSR);
        port.read_register(RBR);
    }
    assert_eq!(port.console().input_waiting(), 0);
    let text = recording.take();
    assert!(text.contains("\nmodem +dcd\nreset\ntx-break 0\nirq 0\n"), "{text}");
    let trace: Trace = text.parse().unwrap();
    assert_eq!(trace.replay(&mut Board::new(trace.settings())), [], "{text}");
}

/// What guest, owner and VMM do.
#[derive(Debug, Clone)]
enum Action {
    Read(u8),
    Write(u8, u8),
    Type(u8),
    Break,
    HangUp,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => (0..8_u8).prop_map(Action::Read),
        5 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Action::Write(register, value)),
        2 => (1..30_u8).prop_map(Action::Type),
        1 => Just(Action::Break),
        1 => Just(Action::HangUp),
    ]
}

/// A port with its owner.
struct Bench {
    port: SerialPort<Edges>,
    edges: Edges,
    owner: vuart::endpoint::Session,
}

impl Bench {
    fn new((port, edges): (SerialPort<Edges>, Edges)) -> Self {
        Self { owner: owner(&port), port, edges }
    }

    fn console(&self) -> &Console {
        self.port.console()
    }

    /// Returns what the guest sees.
    fn act(&mut self, action: &Action) -> (Option<u8>, usize, bool) {
        let mut read = None;
        match action {
            Action::Read(register) => read = Some(self.port.read_register(*register)),
            Action::Write(register, value) => self.port.write_register(*register, *value),
            Action::Type(count) => drop(self.owner.write(&(0..*count).collect::<Vec<_>>())),
            Action::Break => drop(self.owner.send_break()),
            Action::HangUp => drop(self.console().hang_up()),
        }
        (read, self.edges.take(), self.port.interrupt())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the guest has done before: after a reset the port answers as a fresh one with the same queue.
    #[test]
    fn f5_a_port_after_a_reset_is_as_a_fresh_one_with_the_same_queue(
        before in prop::collection::vec(action(), 0..60),
        after in prop::collection::vec(action(), 0..60),
    ) {
        let mut old = Bench::new(port());
        for action in &before {
            old.act(action);
        }
        old.port.reset();
        old.edges.take();

        let mut fresh = Bench::new(port());
        for symbol in old.port.state().latest().waiting {
            match symbol {
                vuart::endpoint::Symbol::Byte(byte) => prop_assert_eq!(fresh.owner.write(&[byte]), Ok(1)),
                vuart::endpoint::Symbol::Break => prop_assert_eq!(fresh.owner.send_break(), Ok(true)),
                vuart::endpoint::Symbol::Damaged(byte, error) => {
                    prop_assert_eq!(fresh.owner.send_damaged(byte, error), Ok(true));
                }
            }
        }
        for action in &after {
            prop_assert_eq!(old.act(action), fresh.act(action), "{:?}", action);
        }
        prop_assert_eq!(old.port.state().latest().uart, fresh.port.state().latest().uart);
        prop_assert_eq!(old.port.state().latest().waiting, fresh.port.state().latest().waiting);
    }
}
