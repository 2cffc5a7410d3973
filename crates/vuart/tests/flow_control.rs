//! Flow control (F1): the guest stops its input by RTS, or on request by XOFF, and nothing is lost.
//!
//! `flow_control_driver.rs` has drivers that sleep and owners that type at the same time, `flow_control_random.rs` guests
//! that do anything.

mod support;

use support::flow::{GO, LOOP, STOP, XOFF, XON, latest, moved, open};
use support::{Edges, owner, port};
use vuart::endpoint::{Attach, Identity, Mode};
use vuart::uart::spec::offset::*;
use vuart::uart::{Config, Profile};
use vuart::{FlowControl, PortBuilder, PortState, PortStateV2, PortStateV3, RtsState, SerialPort};

/// Reads until nothing is there.
fn drain(port: &mut SerialPort<Edges>) -> Vec<u8> {
    let mut read = Vec::new();
    // A driver looks twice: the line may breathe.
    let mut empty = 0;
    while empty < 2 {
        if port.read_register(LSR) & 0x01 == 0 {
            empty += 1;
        } else {
            empty = 0;
            read.push(port.read_register(RBR));
        }
    }
    read
}

fn is_stopped(port: &SerialPort<Edges>) -> (bool, u64) {
    (port.console().input_stopped(), port.console().counters().input_stops)
}

#[test]
fn f1_while_rts_is_low_input_waits_and_nobody_is_interrupted() {
    let (mut port, edges) = open(FlowControl::Rts);
    let mut session = owner(&port);
    assert_eq!(is_stopped(&port), (false, 0));
    port.write_register(MCR, STOP);
    assert_eq!(is_stopped(&port), (true, 1));
    session.write(b"typed while it is stopped").unwrap();
    session.send_break().unwrap();
    assert_eq!(edges.take(), 0, "the guest is not to be disturbed");
    assert_eq!([IIR, LSR, RBR, LSR].map(|register| port.read_register(register)), [0xC1, 0x60, 0, 0x60]);
    assert_eq!(port.console().input_waiting(), 26, "it is counted");

    port.write_register(MCR, GO);
    assert_eq!((is_stopped(&port), edges.take()), ((false, 1), 1), "a guest that sleeps is woken");
    assert_eq!(port.read_register(IIR), 0xCC);
    assert_eq!(drain(&mut port), b"typed while it is stopped\0");
    edges.take();
    session.write(b"k").unwrap();
    assert_eq!(edges.take(), 1, "and later input interrupts as ever");
    assert_eq!(drain(&mut port), b"k");
}

/// The UART itself does not heed RTS.
#[test]
fn f1_what_is_in_the_receiver_stays_readable() {
    let (mut port, _) = open(FlowControl::Rts);
    let mut session = owner(&port);
    let typed: Vec<u8> = (0..40).collect();
    session.write(&typed).unwrap();
    assert_eq!(port.read_register(IIR), 0xC4);
    port.write_register(MCR, STOP);
    let read = drain(&mut port);
    assert_eq!(read, typed[..read.len()]);
    assert!((1..=16).contains(&read.len()), "{} characters were in the FIFO", read.len());
    assert_eq!(port.console().input_waiting(), 40 - read.len() as u64);
    port.write_register(MCR, GO);
    assert_eq!(drain(&mut port), typed[read.len()..]);
}

#[test]
fn f1_a_guest_that_never_raises_rts_gets_its_input() {
    for mcr in [None, Some(0x00), Some(0x01), Some(0x08), Some(0x09)] {
        let (mut port, edges) = port();
        if let Some(mcr) = mcr {
            port.write_register(MCR, mcr);
        }
        let mut session = owner(&port);
        session.write(b"polled").unwrap();
        assert_eq!((drain(&mut port), is_stopped(&port)), (b"polled".to_vec(), (false, 0)), "{mcr:?}");
        // And by interrupt, where OUT2 lets it through.
        if mcr.is_none_or(|mcr| mcr & 0x08 != 0) {
            port.write_register(IER, 0x01);
            session.write(b"k").unwrap();
            assert_eq!((edges.take(), drain(&mut port)), (1, b"k".to_vec()), "{mcr:?}");
        }
    }
}

/// In loopback the pin is inactive. That is no word of the guest, neither that it uses RTS nor that input is to stop.
#[test]
fn f1_loopback_neither_stops_nor_loses_input() {
    // Firmware that tests its UART, and never raises RTS otherwise.
    let (mut port, _) = port();
    port.write_register(MCR, LOOP | 0x0A);
    port.write_register(MCR, 0x08);
    owner(&port).write(b"k").unwrap();
    assert_eq!((drain(&mut port), is_stopped(&port)), (b"k".to_vec(), (false, 0)));

    // A driver that uses it.
    let (mut port, edges) = open(FlowControl::Rts);
    let mut session = owner(&port);
    port.write_register(MCR, LOOP | STOP);
    assert_eq!(is_stopped(&port), (false, 0));
    session.write(b"typed").unwrap();
    assert_eq!((port.read_register(LSR), edges.take()), (0x60, 0), "it waits for the end of the test");
    port.write_register(MCR, GO);
    assert_eq!((edges.take(), drain(&mut port)), (1, b"typed".to_vec()));
    edges.take();

    // What it said before the test holds during the test, and what it says after it counts.
    port.write_register(MCR, STOP);
    port.write_register(MCR, LOOP | GO);
    assert_eq!(is_stopped(&port), (true, 1));
    session.write(b"typed").unwrap();
    port.write_register(MCR, STOP);
    assert_eq!((port.read_register(LSR), edges.take()), (0x60, 0));
    port.write_register(MCR, GO);
    assert_eq!((edges.take(), drain(&mut port)), (1, b"typed".to_vec()));
    port.write_register(MCR, LOOP | GO);
    port.write_register(MCR, STOP);
    assert_eq!(is_stopped(&port), (true, 2));
}

#[test]
fn f1_the_divisor_is_no_data() {
    let (mut port, _) = open(FlowControl::RtsAndXonXoff);
    port.write_register(LCR, 0x83);
    port.write_register(THR, XOFF); // DLL
    port.write_register(LCR, 0x03);
    assert_eq!(is_stopped(&port), (false, 0));
    // With the divisor's registers in place of RBR, input waits as ever.
    owner(&port).write(b"k").unwrap();
    port.write_register(LCR, 0x83);
    port.write_register(MCR, STOP);
    assert_eq!(port.read_register(RBR), XOFF);
    port.write_register(MCR, GO);
    port.write_register(LCR, 0x03);
    assert_eq!(drain(&mut port), b"k");
}

/// The receiver of a 16750 lowers the pin by itself, as long as it is full. The guest has not stopped anything.
#[test]
fn f1_a_receiver_that_holds_its_sender_is_not_a_guest_that_stops() {
    let edges = Edges::default();
    let config = Config::new().with_profile(Profile::Uart16750);
    let mut port = PortBuilder::new().with_uart(config).build(edges);
    port.write_register(FCR, 0x01);
    port.write_register(MCR, 0x20 | GO);
    let mut session = owner(&port);
    let typed: Vec<u8> = (0..100).collect();
    session.write(&typed).unwrap();
    port.write_register(IER, 0x01);
    let mut read = vec![port.read_register(RBR)];
    assert_eq!(is_stopped(&port), (false, 0));
    // A write of MCR while the receiver holds the sender.
    port.write_register(MCR, 0x20 | GO);
    assert_eq!(is_stopped(&port), (false, 0));
    read.extend(drain(&mut port));
    assert_eq!(read, typed);
    // The guest's own word counts with automatic flow control, too.
    port.write_register(MCR, 0x20 | STOP);
    assert_eq!(is_stopped(&port), (true, 1));
}

#[test]
fn f1_without_flow_control_input_comes_whatever_the_guest_does() {
    let (mut port, edges) = open(FlowControl::None);
    port.write_register(MCR, STOP);
    port.write_register(THR, XOFF);
    owner(&port).write(b"k").unwrap();
    assert_eq!((edges.take(), drain(&mut port), is_stopped(&port)), (1, b"k".to_vec(), (false, 0)));
}

#[test]
fn f1_xoff_stops_and_xon_resumes_where_it_is_asked_for() {
    for asked in [false, true] {
        let control = if asked { FlowControl::RtsAndXonXoff } else { FlowControl::Rts };
        let (mut port, edges) = open(control);
        assert_eq!(port.read_register(LSR), 0x60);
        let mut session = owner(&port);
        port.write_string(0, &[b'a', XOFF, b'b']);
        assert_eq!(is_stopped(&port), (asked, u64::from(asked)));
        session.write(b"typed").unwrap();
        if asked {
            assert_eq!((edges.take(), port.read_register(LSR)), (0, 0x60));
            // In loopback the bytes go nowhere.
            port.write_register(MCR, LOOP | GO);
            port.write_register(THR, XON);
            assert_eq!((port.read_register(RBR), is_stopped(&port).0), (XON, true));
            assert_eq!(edges.take(), 1, "for the guest's own byte");
            port.write_register(MCR, GO);
            // RTS and XOFF are independent.
            port.write_register(MCR, STOP);
            port.write_register(THR, XON);
            assert_eq!((edges.take(), port.read_register(LSR)), (0, 0x60));
            port.write_register(THR, XOFF);
            port.write_register(MCR, GO);
            assert_eq!((edges.take(), port.read_register(LSR)), (0, 0x60));
        }
        port.write_register(THR, XON);
        assert_eq!((edges.take(), drain(&mut port)), (1, b"typed".to_vec()));
        assert!(!is_stopped(&port).0);
        // Clients get them as any other byte.
        let mut output = [0; 8];
        let read = port.console().scrollback().read_at(0, &mut output).len();
        let expected: &[u8] =
            if asked { &[b'a', XOFF, b'b', XON, XOFF, XON] } else { &[b'a', XOFF, b'b', XON] };
        assert_eq!(&output[..read], expected);
    }
}

/// A guest that sends XON and sleeps must be seen to send it.
#[test]
fn f1_output_that_may_be_xon_is_not_deferred() {
    for (control, defers) in [(FlowControl::Rts, true), (FlowControl::RtsAndXonXoff, false)] {
        let (port, _) = open(control);
        assert_eq!(port.defers_output(), defers);
    }
}

#[test]
fn f1_a_take_over_of_a_stopped_guest_discards_and_leaves_it_stopped() {
    let (mut port, edges) = open(FlowControl::Rts);
    let mut alice = owner(&port);
    port.write_register(MCR, STOP);
    alice.write(b"rm -rf /").unwrap();
    let bob = Attach::new(Identity::new("bob", 1, None)).with_mode(Mode::TakeOver);
    let mut bob = port.console().attach(bob).unwrap();
    bob.write(b"ls").unwrap();
    assert_eq!((is_stopped(&port).0, edges.take()), (true, 0));
    port.write_register(MCR, GO);
    assert_eq!((edges.take(), drain(&mut port)), (1, b"ls".to_vec()));
}

#[test]
fn f1_a_snapshot_of_a_stopped_guest_goes_on_stopped() {
    let both = FlowControl::RtsAndXonXoff;
    let stop = [(MCR, STOP, MCR, GO), (THR, XOFF, THR, XON)];
    for (stop_register, stop, go_register, go) in stop {
        for in_loopback in [false, true] {
            let (mut old, _) = open(both);
            owner(&old).write(b"typed").unwrap();
            old.write_register(IER, 0x00);
            old.write_register(stop_register, stop);
            if in_loopback {
                old.write_register(MCR, LOOP | GO);
            }
            let (mut port, edges) = moved(&old.state(), both);
            assert_eq!(port.state(), old.state());
            assert!(port.console().input_stopped());
            port.write_register(IER, 0x01);
            if in_loopback {
                port.write_register(MCR, if stop_register == MCR { STOP } else { GO });
            }
            // The first character was in the receiver already.
            let first = drain(&mut port);
            assert!(port.console().input_stopped());
            edges.take();
            port.write_register(go_register, go);
            assert_eq!(edges.take(), 1);
            assert_eq!([first, drain(&mut port)].concat(), b"typed");
        }
    }
}

/// Ports of older versions did not heed RTS: a driver that had lowered it gets its input as before, until it uses RTS again.
#[test]
fn f1_an_older_snapshot_stops_nothing() {
    for mcr in [STOP, GO] {
        let (mut old, _) = open(FlowControl::None);
        old.write_register(MCR, mcr);
        let PortStateV3 { uart, offset, waiting, drop_due, dropped, .. } = latest(&old);
        let state = PortState::V2(PortStateV2 { uart, offset, waiting, drop_due, dropped });
        let (mut port, _) = moved(&state, FlowControl::Rts);
        let expected = if mcr == GO { RtsState::Raised } else { RtsState::NeverRaised };
        assert_eq!(latest(&port).flow.rts, expected);
        owner(&port).write(b"k").unwrap();
        assert_eq!(drain(&mut port), b"k");
        port.write_register(MCR, GO);
        port.write_register(MCR, STOP);
        assert!(port.console().input_stopped());
    }
}

/// An XOFF that nobody heeds in the new port does not stop it.
#[test]
fn f1_a_port_that_does_not_heed_xoff_is_not_stopped_by_one() {
    let (mut old, _) = open(FlowControl::RtsAndXonXoff);
    old.write_register(THR, XOFF);
    let (port, _) = moved(&old.state(), FlowControl::Rts);
    assert!(!port.console().input_stopped());
    assert!(!latest(&port).flow.xoff);
}
