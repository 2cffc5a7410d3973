//! Output that waits for the owner (`OutputPolicy::Hold`): what the guest and the owner see. `hold_lossless.rs` has long streams, and
//! `hold_random.rs` a hostile guest.

mod support;

use std::time::{Duration, Instant};

use support::{Edges, owner};
use vuart::endpoint::{Attach, Console, Identity, Mode, OutputPolicy, Policy, Session};
use vuart::scrollback::Position;
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, RingSize, SerialPort};

/// The size of the ring, and where a hold begins and ends.
const RING: u64 = SIZE as u64;
const SIZE: usize = 4096;
const HIGH: u64 = RING / 4 * 3;
const STEP: u64 = RING / 64;

const NEVER: Duration = OutputPolicy::LONGEST_HOLD;

fn port(deadline: Duration) -> (SerialPort<Edges>, Edges) {
    let edges = Edges::default();
    let port = PortBuilder::new().with_scrollback(RingSize::of::<SIZE>()).build(edges.clone());
    port.console().set_policy(Policy::default().with_output(OutputPolicy::Hold { deadline }));
    (port, edges)
}

/// Writes as a guest that honours THRE: up to `most` bytes, as long as LSR shows THRE. Returns how many.
fn print(port: &mut SerialPort<Edges>, most: u64) -> u64 {
    for written in 0..most {
        if port.read_register(LSR) & 0x20 == 0 {
            return written;
        }
        port.write_register(THR, b'x');
    }
    most
}

/// A port whose guest waits for the THRE interrupt, and whose owner has read nothing.
fn held(deadline: Duration) -> (SerialPort<Edges>, Edges, Session) {
    let (mut port, edges) = port(deadline);
    let session = owner(&port);
    assert_eq!(print(&mut port, 2 * RING), HIGH);
    port.write_register(IER, 0x02);
    edges.take();
    assert_eq!((port.read_register(LSR), port.read_register(IIR)), (0x00, 0x01));
    assert!(port.console().output_held() && !port.interrupt());
    (port, edges, session)
}

/// Reads that much for the owner.
fn read(session: &mut Session, bytes: u64) {
    let read = session.read(&mut vec![0; usize::try_from(bytes).unwrap()]);
    assert_eq!((read.len() as u64, read.missed), (bytes, 0));
}

/// The counts of holds, missed deadlines and bytes that did not heed a hold.
fn counts(console: &Console) -> (u64, u64, u64) {
    let counters = console.counters();
    (counters.output_holds, counters.output_holds_missed, counters.output_unheeded)
}

#[test]
fn r9_the_guest_waits_until_the_owner_has_read_some() {
    let (mut port, edges, mut session) = held(NEVER);
    read(&mut session, STEP - 1);
    assert_eq!((port.read_register(LSR), edges.take()), (0x00, 0), "too little");
    read(&mut session, 1);
    assert_eq!(edges.take(), 1, "the reader interrupts the guest");
    assert!(port.interrupt() && !port.console().output_held());
    assert_eq!((port.read_register(IIR), port.read_register(LSR)), (0x02, 0x60));
    assert_eq!((port.read_register(IIR), edges.take()), (0x01, 0));
    assert_eq!(print(&mut port, RING), STEP);
    assert_eq!(counts(port.console()), (2, 0, 0));
}

#[test]
fn by_default_and_without_an_owner_nothing_waits() {
    let edges = Edges::default();
    let mut port = PortBuilder::new().with_scrollback(RingSize::of::<SIZE>()).build(edges);
    let _owner = owner(&port);
    assert_eq!(print(&mut port, 3 * RING), 3 * RING);

    let (mut port, _) = self::port(NEVER);
    let watcher = Attach::new(Identity::new("watcher", 0, None)).with_mode(Mode::Spectate);
    let _watcher = port.console().attach(watcher).unwrap();
    assert_eq!(print(&mut port, 3 * RING), 3 * RING);
    assert_eq!(counts(port.console()), (0, 0, 0));
}

#[test]
fn r9_a_dead_owner_costs_a_guest_that_polls_the_deadline_once() {
    let (mut port, _) = port(Duration::ZERO);
    let mut session = owner(&port);
    assert_eq!(print(&mut port, 10 * RING), 10 * RING);
    assert_eq!(counts(port.console()), (1, 1, 0));
    // It comes back. Its next hold begins when it has caught up.
    while !session.read(&mut [0; 64]).is_empty() {}
    assert_eq!(print(&mut port, 10 * RING), 10 * RING);
    assert_eq!(counts(port.console()), (2, 2, 0));
}

#[test]
fn r9_a_dead_owner_costs_a_guest_that_sleeps_the_deadline_once() {
    let (mut port, edges, mut session) = held(NEVER);
    let console = port.console().clone();
    let due = console.service(Instant::now()).expect("a deadline");
    assert!(due > Instant::now());
    assert_eq!(edges.take(), 0);
    assert_eq!(console.service(due), None);
    assert_eq!(edges.take(), 1);
    assert!(port.interrupt());
    assert_eq!(port.read_register(IIR), 0x02);
    assert_eq!(print(&mut port, 10 * RING), 10 * RING);
    assert_eq!((counts(&console), console.service(due)), ((1, 1, 0), None));
    // A little is not enough to count as alive.
    assert!(session.read(&mut [0; 512]).missed > 0);
    assert_eq!(print(&mut port, 10 * RING), 10 * RING);
    assert_eq!(counts(&console), (1, 1, 0));
}

#[test]
fn another_owner_has_a_deadline_of_its_own() {
    let (mut port, _) = port(Duration::ZERO);
    let first = owner(&port);
    assert_eq!(print(&mut port, 10 * RING), 10 * RING);
    drop(first);
    let _second = owner(&port);
    assert_eq!(print(&mut port, 10 * RING), 10 * RING);
    assert_eq!(counts(port.console()), (2, 2, 0));
}

#[test]
fn a_take_over_a_departure_and_the_end_release_the_guest() {
    type Release = fn(&Console, Session) -> Option<Session>;
    let releases: [(&str, Release); 6] = [
        ("the owner leaves", |_, _| None),
        ("a take-over", |console, _old| {
            let new = Attach::new(Identity::new("new", 0, None)).with_mode(Mode::TakeOver);
            Some(console.attach(new).unwrap())
        }),
        ("the owner is kicked", |console, old| {
            assert!(console.kick(old.info().id, &Identity::new("root", 0, None)));
            Some(old)
        }),
        ("it is switched off", |console, old| {
            console.disable();
            Some(old)
        }),
        ("it ends", |console, old| {
            console.end(&vuart::endpoint::Cause::VmEnded);
            Some(old)
        }),
        ("another policy", |console, old| {
            console.set_policy(Policy::default());
            Some(old)
        }),
    ];
    for (name, release) in releases {
        let (mut port, edges, session) = held(NEVER);
        let _session = release(&port.console().clone(), session);
        assert_eq!(edges.take(), 1, "{name}");
        assert_eq!((port.read_register(IIR), port.read_register(LSR)), (0x02, 0x60), "{name}");
        assert_eq!(print(&mut port, HIGH - 1), HIGH - 1, "{name}");
    }
}

#[test]
fn an_owner_that_comes_for_everything_holds_the_guest_until_it_has_read() {
    let (mut port, edges, mut session) = held(NEVER);
    read(&mut session, 10);
    let cursor = session.output().cursor();
    drop(session);
    assert_eq!((edges.take(), port.read_register(LSR)), (1, 0x60));
    let again = Attach::new(Identity::new("test", 0, None)).with_replay(Position::Offset(cursor));
    let mut session = port.console().attach(again).unwrap();
    assert_eq!(print(&mut port, RING), 10);
    let mut left = HIGH;
    while left > 0 {
        read(&mut session, STEP);
        left -= STEP;
        assert_eq!(print(&mut port, RING), STEP);
    }
}

#[test]
fn bytes_of_a_guest_that_does_not_look_are_taken_and_counted() {
    let (mut port, _, mut session) = held(NEVER);
    port.write_string(THR.into(), &[b'y'; 100]);
    port.write_register(THR, b'y');
    assert_eq!(counts(port.console()), (1, 0, 101 - 63));
    assert_eq!(port.read_register(LSR), 0x00);
    read(&mut session, HIGH);
    let mut buf = [0; 200];
    assert_eq!((session.read(&mut buf).len(), &buf[..101]), (101, &[b'y'; 101][..]));
    assert_eq!(port.read_register(LSR), 0x60);
}

#[test]
fn r6_r10_a_reset_of_the_transmitter_and_loopback_go_on_under_the_same_deadline() {
    let (mut port, edges, mut session) = held(NEVER);
    let console = port.console().clone();
    let due = console.service(Instant::now()).unwrap();
    for (register, value) in [(FCR, 0x05), (FCR, 0x00), (MCR, 0x18), (MCR, 0x08)] {
        port.write_register(register, value);
    }
    assert_eq!((port.read_register(LSR), console.service(Instant::now())), (0x60, None));
    port.write_register(THR, b'x');
    assert_eq!((port.read_register(LSR), console.service(Instant::now())), (0x00, Some(due)));
    assert!(port.reset() > 0);
    assert_eq!((port.read_register(LSR), console.service(Instant::now())), (0x60, None));
    port.write_register(THR, b'x');
    assert_eq!((port.read_register(LSR), console.service(Instant::now())), (0x00, Some(due)));
    // What the owner reads begins another.
    read(&mut session, 2 * STEP);
    assert_eq!(print(&mut port, RING), 2 * STEP - 2);
    assert!(console.service(Instant::now()).unwrap() > due);
    edges.take();
    read(&mut session, STEP);
    assert_eq!(edges.take(), 0, "after a reset it does not wait for the interrupt");
}

#[test]
fn a_guest_that_switches_the_interrupt_on_during_a_hold_is_interrupted_at_its_end() {
    let (mut port, edges, mut session) = held(NEVER);
    port.write_register(IER, 0x00);
    read(&mut session, STEP);
    assert_eq!(edges.take(), 0, "it does not wait for it");
    port.write_register(IER, 0x02);
    assert_eq!((edges.take(), port.read_register(IIR)), (1, 0x02));
}

#[test]
fn r4_s19_a_restored_port_is_not_held_and_its_guest_is_interrupted() {
    let (port, _, _session) = held(NEVER);
    let edges = Edges::default();
    let mut restored = PortBuilder::restore(&port.state()).build(edges.clone()).unwrap();
    assert_eq!((edges.take(), restored.read_register(IIR), restored.read_register(LSR)), (1, 0x02, 0x60));
}

#[test]
fn the_level_of_the_line_is_high_from_the_end_of_the_hold_on() {
    let (mut port, _, mut session) = held(NEVER);
    let level = port.interrupt_level();
    read(&mut session, STEP);
    assert!(level.is_high());
    port.read_register(LSR);
    assert!(level.is_high());
    port.read_register(IIR);
    assert!(!level.is_high());
}

#[test]
fn a_policy_that_comes_while_a_guest_writes_is_heeded_at_its_next_look() {
    let edges = Edges::default();
    let mut port = PortBuilder::new().with_scrollback(RingSize::of::<SIZE>()).build(edges);
    let session = owner(&port);
    assert_eq!(print(&mut port, HIGH + 100), HIGH + 100);
    port.console().set_policy(Policy::default().with_output(OutputPolicy::Hold { deadline: NEVER }));
    assert_eq!(print(&mut port, 100), 1);
    drop(session);
    assert_eq!(print(&mut port, 100), 100);
}

#[test]
fn what_the_owner_has_read_before_the_policy_counts() {
    let edges = Edges::default();
    let mut port = PortBuilder::new().with_scrollback(RingSize::of::<SIZE>()).build(edges);
    let mut session = owner(&port);
    for _ in 0..10 {
        print(&mut port, 1000);
        read(&mut session, 1000);
    }
    // And what it has missed.
    print(&mut port, 2 * RING);
    assert!(session.read(&mut [0; SIZE]).missed > 0);
    port.console().set_policy(Policy::default().with_output(OutputPolicy::Hold { deadline: NEVER }));
    assert_eq!(print(&mut port, RING), HIGH);
}

#[test]
fn a_session_that_comes_to_own_the_console_is_waited_for_from_where_it_is() {
    let (mut port, _) = port(NEVER);
    let first = owner(&port);
    let waiting = Attach::new(Identity::new("next", 0, None)).with_mode(Mode::Wait);
    let mut second = port.console().attach(waiting).unwrap();
    assert_eq!(print(&mut port, RING), HIGH);
    read(&mut second, HIGH - 1);
    assert_eq!(port.read_register(LSR), 0x00, "a spectator");
    drop(first);
    assert_eq!(print(&mut port, RING), HIGH - 1);
    read(&mut second, STEP);
    assert_eq!(print(&mut port, RING), STEP);
}

#[test]
fn a_port_that_is_dropped_while_it_is_held_interrupts_nobody() {
    let (port, edges, session) = held(NEVER);
    let console = port.console().clone();
    drop(port);
    assert_eq!(console.service(Instant::now() + 2 * NEVER), None);
    drop(session);
    assert_eq!((edges.take(), console.output_held()), (0, false));
    assert_eq!(counts(&console), (1, 0, 0));
}

/// As xv6 does: its handler reads LSR, writes a byte, and never reads IIR.
#[test]
fn r3_r9_a_handler_that_reads_lsr_alone_gets_an_interrupt_for_each_byte_after_a_hold() {
    let (mut port, edges, mut session) = held(NEVER);
    read(&mut session, STEP);
    for byte in 0..STEP {
        assert_eq!(edges.take(), 1, "byte {byte}");
        assert_eq!(port.read_register(LSR), 0x60);
        port.write_register(THR, b'x');
    }
    assert_eq!((edges.take(), port.read_register(LSR)), (0, 0x00), "the next hold");
}

#[cfg(feature = "trace")]
#[test]
fn a_port_that_records_does_not_hold() {
    let (mut port, _) = port(NEVER);
    let mut recording = port.record(1 << 20).unwrap();
    let _session = owner(&port);
    assert_eq!(print(&mut port, 2 * RING), 2 * RING);
    assert!(!recording.take().contains("r 5 00"));
}
