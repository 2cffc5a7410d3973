//! Snapshots of a port (S13, S19).

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use support::{Edges, owner, port};
use vm_superio::SerialState;
use vuart::endpoint::{Attach, Identity, Input, Mode, Symbol};
use vuart::uart::spec::offset::*;
use vuart::uart::{Config, Profile};
use vuart::{PortBuilder, PortState, PortStateV3, RestorePortError, SerialPort, StateError, TooMuchInput};

/// Moves the port: its state through JSON, and another port from it.
fn moved(port: &SerialPort<Edges>) -> (SerialPort<Edges>, Edges) {
    let json = serde_json::to_string(&port.state()).unwrap();
    let state: PortState = serde_json::from_str(&json).unwrap();
    let edges = Edges::default();
    (PortBuilder::restore(&state).build(edges.clone()).unwrap(), edges)
}

fn latest(port: &SerialPort<Edges>) -> PortStateV3 {
    port.state().latest()
}

#[test]
fn offsets_go_on_and_what_was_before_is_declared_lost() {
    let (mut old, _) = port();
    b"before".iter().for_each(|byte| old.write_register(THR, *byte));
    let (mut new, _) = moved(&old);
    assert_eq!(new.state(), old.state());
    new.write_register(THR, b'!');
    let mut buffer = [0; 16];
    let read = new.console().scrollback().read_at(0, &mut buffer);
    assert_eq!((read.start, read.next, read.missed, buffer[0]), (6, 7, 6, b'!'));
}

#[test]
fn r4_s19_the_interrupt_comes_again() {
    let (mut old, edges) = port();
    old.write_register(IER, 0x02);
    assert_eq!(edges.count(), 1);
    let (mut new, edges) = moved(&old);
    assert_eq!(edges.count(), 1, "whoever was told is not there any more");
    assert_eq!(new.read_register(IIR), 0x02);
    let (_, edges) = moved(&new);
    assert_eq!(edges.count(), 0, "nothing to tell");
}

#[test]
fn s19_input_that_waits_is_there_and_announced() {
    let (mut old, _) = port();
    old.write_register(FCR, 0x81);
    let mut session = owner(&old);
    assert_eq!(session.write(b"typed too early, and too much for a FIFO").unwrap(), 40);
    let (mut new, edges) = moved(&old);
    new.write_register(MCR, 0x0B);
    new.write_register(IER, 0x01);
    assert_eq!(edges.count(), 1);
    let mut read = Vec::new();
    while new.read_register(LSR) & 0x01 != 0 {
        read.push(new.read_register(RBR));
    }
    assert_eq!(String::from_utf8_lossy(&read), "typed too early, and too much for a FIFO");
}

/// The guest halts and waits for a key. The key comes on another machine.
#[test]
fn s19_a_sleeping_guest_is_woken_where_it_was_restored() {
    let (mut old, _) = port();
    old.write_register(FCR, 0x81);
    old.write_register(IER, 0x01);
    let (new, edges) = moved(&old);
    assert_eq!(edges.count(), 0);
    assert_eq!(owner(&new).write(b"k").unwrap(), 1);
    assert_eq!(edges.count(), 1);
}

/// S13: a client types all the time, and each generation of the port is restored from the one before. A snapshot has the beginning of what
/// was typed at its port, in order and once.
#[test]
fn s13_restored_again_and_again_while_input_arrives() {
    let (mut port, _) = port();
    port.write_register(FCR, 0x81);
    port.write_register(IER, 0x01);
    let mut partly = 0;
    for generation in 0..500_usize {
        let (console, typing) = (port.console().clone(), Arc::new(AtomicUsize::new(0)));
        let typist = std::thread::spawn({
            let typing = Arc::clone(&typing);
            move || {
                let attach = Attach::new(Identity::new("typist", 0, None)).with_mode(Mode::TakeOver);
                let mut session = console.attach(attach).unwrap();
                (0..=u8::MAX).for_each(|byte| {
                    session.write(&[byte]).unwrap();
                    typing.fetch_add(1, SeqCst);
                });
            }
        });
        let mut read = Vec::new();
        // The guest reads and the snapshot is taken while the client types.
        while typing.load(SeqCst) < generation % 200 {
            if port.read_register(LSR) & 0x01 != 0 {
                read.push(port.read_register(RBR));
            }
        }
        let (mut restored, _) = moved(&port);
        let typed = typing.load(SeqCst);
        typist.join().unwrap();
        while restored.read_register(LSR) & 0x01 != 0 {
            read.push(restored.read_register(RBR));
        }
        let expected: Vec<u8> = (0..=u8::MAX).take(read.len()).collect();
        assert_eq!(read, expected, "generation {generation}");
        assert!(read.len() >= generation % 200 && read.len() <= typed + 1, "{} of {typed}", read.len());
        partly += usize::from(!read.is_empty() && read.len() < 256);
        port = restored;
    }
    assert!(partly > 0, "no snapshot was ever taken while somebody typed");
}

#[test]
fn breaks_and_other_chips_are_in_it() {
    let edges = Edges::default();
    let config = Config::new().with_profile(Profile::Uart16750).with_out2_gate(false);
    let old = PortBuilder::new().with_uart(config).build(edges);
    let mut session = owner(&old);
    assert!(session.send_break().unwrap());
    assert_eq!(latest(&old).waiting, [Symbol::Break]);
    let (mut new, _) = moved(&old);
    assert_eq!(new.read_register(LSR) & 0x11, 0x11);
    new.write_register(MCR, 0xFF);
    assert_eq!(new.read_register(MCR), 0x3F, "a 16750");
}

#[test]
fn s4_a_state_that_can_not_be_is_refused() {
    let (port, _) = port();
    let restore = |change: &dyn Fn(&mut PortStateV3)| {
        let mut state = latest(&port);
        change(&mut state);
        PortBuilder::restore(&PortState::V3(state)).build(Edges::default()).map(drop)
    };
    assert!(restore(&|_| {}).is_ok());
    let waiting = Input::CAPACITY + Input::PUT_BACK_MAX + 1;
    let result = restore(&|state| state.waiting = vec![Symbol::Break; waiting]);
    assert!(
        matches!(result, Err(RestorePortError::State(StateError::TooMuchInput(refused))) if refused == TooMuchInput { waiting })
    );
    assert!(matches!(restore(&|state| state.offset = u64::MAX), Err(RestorePortError::Ring(_))));
    assert!(matches!(
        restore(&|state| state.dropped = true),
        Err(RestorePortError::State(StateError::Carrier))
    ));
    let full = restore(&|state| state.waiting = vec![Symbol::Byte(0); waiting - 1]);
    assert!(full.is_ok());
    assert!(matches!(
        restore(&|state| state.looped = 1),
        Err(RestorePortError::State(StateError::Looped { looped: 1, held: 0 }))
    ));
}

/// The committed state of this name. On request, writes the example's state if there is none yet: see `crates/16550/tests/state.rs`.
fn kept(name: &str, example: &SerialPort<Edges>) -> PortState {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states").join(format!("{name}.json"));
    if std::env::var_os("VUART_WRITE_STATES").is_some() && !path.exists() {
        let json = serde_json::to_string_pretty(&example.state()).unwrap() + "\n";
        std::fs::write(&path, json).unwrap();
    }
    // And in a format without names, which knows positions only.
    let positional = path.with_extension("postcard");
    if std::env::var_os("VUART_WRITE_STATES").is_some() && !positional.exists() {
        std::fs::write(&positional, postcard::to_stdvec(&example.state()).unwrap()).unwrap();
    }
    let kept: PortState = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(postcard::from_bytes::<PortState>(&std::fs::read(positional).unwrap()), Ok(kept.clone()));
    kept
}

/// The committed states of ports restore for ever, with the same answers.
#[test]
fn states_of_every_release_restore() {
    let (mut example, _) = port();
    example.write_register(FCR, 0x81);
    b"some output".iter().for_each(|byte| example.write_register(THR, *byte));
    let mut session = owner(&example);
    session.write(b"typed").unwrap();
    session.send_break().unwrap();
    example.read_register(LSR);
    for state in [kept("v1-typed", &example), example.state()] {
        let mut port = PortBuilder::restore(&state).build(Edges::default()).unwrap();
        assert_eq!(port.console().scrollback().end(), 11);
        let (mut read, mut status) = (Vec::new(), Vec::new());
        loop {
            let lsr = port.read_register(LSR);
            if lsr & 0x01 == 0 {
                break;
            }
            status.push(lsr);
            read.push(port.read_register(RBR));
        }
        assert_eq!(read, b"typed\0");
        assert_eq!(status, [0x61, 0x61, 0x61, 0x61, 0x61, 0xF1], "the last is a break");
    }
}

/// The carrier: asked to drop but not yet looked at, and low but not yet seen. Version 1 had neither.
#[test]
fn s13_a_hang_up_that_the_guest_has_not_seen_is_in_it() {
    let (due, _) = port();
    due.console().hang_up();
    let (mut dropped, _) = port();
    dropped.write_register(MCR, 0x0B);
    dropped.write_register(IER, 0x08);
    dropped.console().hang_up();
    dropped.read_register(IIR);
    for state in [kept("v2-hang-up-due", &due), kept("v3-hang-up-due", &due), due.state()] {
        assert_eq!(state.clone().latest(), latest(&due));
        let edges = Edges::default();
        let mut port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
        assert_eq!(latest(&port), state.latest());
        port.write_register(MCR, 0x0B);
        assert_eq!(edges.take(), 0, "nobody listens");
        port.write_register(IER, 0x08);
        assert_eq!(edges.take(), 1);
        assert_eq!([MSR, MSR, MSR].map(|register| port.read_register(register)), [0x38, 0xB8, 0xB0]);
    }
    for state in [kept("v2-hung-up", &dropped), kept("v3-hung-up", &dropped), dropped.state()] {
        let edges = Edges::default();
        let mut port = PortBuilder::restore(&state).build(edges.clone()).unwrap();
        assert_eq!((port.state(), edges.take()), (dropped.state(), 1));
        assert_eq!([IIR, MSR, MSR].map(|register| port.read_register(register)), [0x00, 0x38, 0xB8]);
        assert_eq!(edges.take(), 1, "the carrier has come back");
        assert_eq!([IIR, MSR].map(|register| port.read_register(register)), [0x01, 0xB0]);
        assert!(port.console().hang_up(), "and the guest listens as before");
        assert_eq!(edges.take(), 1);
    }
    let there = SerialState::try_from(&dropped.state()).unwrap();
    assert_eq!(there.modem_status & 0xF0, 0xB0, "vm-superio would leave it low");
}

/// Input that a guest has not read, with a pause in it, and characters that the guest sent itself. Version 2 knew neither.
#[test]
fn s13_a_pause_and_what_came_by_loopback_are_in_it() {
    let (mut pausing, _) = port();
    pausing.write_register(FCR, 0x01);
    let mut session = owner(&pausing);
    session.write(b"typed").unwrap();
    pausing.write_register(FCR, 0x03);
    pausing.read_register(LSR);
    let (mut looped, _) = port();
    looped.write_register(FCR, 0x01);
    let mut session = owner(&looped);
    session.write(b"typed").unwrap();
    looped.write_register(IER, 0x01);
    looped.read_register(RBR);
    looped.read_register(IIR);
    looped.write_register(MCR, 0x18);
    looped.write_string(THR.into(), b"own");
    for state in [kept("v3-pause-shown", &pausing), pausing.state()] {
        assert_eq!(state, pausing.state());
        let mut port = PortBuilder::restore(&state).build(Edges::default()).unwrap();
        assert_eq!(port.state(), state);
        assert_eq!([RBR, LSR].map(|register| port.read_register(register)), [0, 0x60], "the pause goes on");
    }
    for state in [kept("v3-looped", &looped), looped.state()] {
        assert_eq!(state, looped.state());
        let mut port = PortBuilder::restore(&state).build(Edges::default()).unwrap();
        assert_eq!(port.state(), state);
        port.write_register(FCR, 0x03);
        port.write_register(MCR, 0x08);
        assert_eq!(
            [IIR, RBR, RBR, RBR].map(|register| port.read_register(register)),
            [0xC4, b'y', b'p', b'e']
        );
        assert_eq!([RBR, RBR].map(|register| port.read_register(register)), [b'd', 0]);
    }
}

/// The guest halts during a break, and listens for a drop that comes while it is moved.
#[test]
fn s19_a_drop_that_is_due_is_announced_where_the_guest_is_restored() {
    let (mut old, _) = port();
    old.write_register(MCR, 0x0B);
    old.write_register(LCR, 0x43);
    old.write_register(IER, 0x08);
    old.console().hang_up();
    assert!(latest(&old).drop_due);
    let (new, edges) = moved(&old);
    assert_eq!(edges.count(), 1);
    let _ = new.console().service(std::time::Instant::now());
    let counters = new.console().counters();
    assert_eq!((counters.guest_breaks, counters.guest_hang_ups), (0, 0), "it was told where it began");
    assert_eq!((counters.hang_ups, counters.hang_ups_unheard), (0, 0), "it was counted there");
}
