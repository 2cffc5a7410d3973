//! Flow control (F1): whatever the guest does, its input comes in order and nothing of it is lost.

mod support;

use proptest::prelude::*;
use support::flow::{GO, LOOP, STOP, XOFF, XON, latest, moved, open};
use support::{Edges, owner};
use vuart::endpoint::{Attach, Identity, Mode};
use vuart::uart::spec::offset::*;
use vuart::{FlowControl, SerialPort};

#[derive(Debug, Clone, Copy)]
enum Step {
    Type(usize),
    Mcr(u8),
    Send(u8),
    Ier(u8),
    Read(u8),
    /// The guest runs its handler, if it was interrupted.
    Handler,
    Move,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_usize..40).prop_map(Step::Type),
        3 => prop::sample::select(vec![GO, STOP, LOOP | GO, LOOP | STOP]).prop_map(Step::Mcr),
        2 => prop::sample::select(vec![XON, XOFF, b'x']).prop_map(Step::Send),
        1 => prop::sample::select(vec![0x00, 0x01, 0x03]).prop_map(Step::Ier),
        2 => prop::sample::select(vec![LSR, IIR]).prop_map(Step::Read),
        4 => Just(Step::Handler),
        1 => Just(Step::Move),
    ]
}

/// The interrupt handler: until IIR names no source. Returns what it has read.
fn handler(port: &mut SerialPort<Edges>) -> Vec<u8> {
    let mut read = Vec::new();
    while port.read_register(IIR) & 0x01 == 0 {
        while port.read_register(LSR) & 0x01 != 0 {
            read.push(port.read_register(RBR));
        }
    }
    read
}

proptest! {
    /// Whatever the guest does, its input comes in order and nothing of it is lost. While it is stopped, nobody interrupts it. When
    /// it is not, and its handler has run, it has everything.
    #[test]
    fn f1_nothing_is_lost_and_the_order_is_kept(steps in prop::collection::vec(step(), 1..80)) {
        let control = FlowControl::RtsAndXonXoff;
        let (mut port, mut edges) = open(control);
        let mut session = owner(&port);
        let (mut typed, mut read, mut latched) = (0_usize, Vec::new(), false);
        let (mut mcr, mut ier, mut xoff, mut rts) = (GO, 0x01, false, true);
        for step in steps.into_iter().chain([Step::Mcr(GO), Step::Send(XON), Step::Ier(0x01), Step::Handler]) {
            match step {
                Step::Type(count) => {
                    let bytes: Vec<u8> = (typed..typed + count).map(|n| n.to_le_bytes()[0]).collect();
                    // After a snapshot the old console takes nothing more.
                    typed += session.write(&bytes).unwrap();
                    if xoff || !rts {
                        prop_assert_eq!(edges.take(), 0, "it is stopped");
                    }
                }
                Step::Mcr(value) => {
                    mcr = value;
                    if mcr & LOOP == 0 {
                        rts = mcr == GO;
                    }
                    port.write_register(MCR, mcr);
                }
                Step::Send(byte) if mcr & LOOP == 0 => {
                    xoff = (xoff || byte == XOFF) && byte != XON;
                    port.write_register(THR, byte);
                }
                Step::Send(_) => {}
                Step::Ier(value) => {
                    ier = value;
                    port.write_register(IER, ier);
                }
                Step::Read(register) => {
                    port.read_register(register);
                }
                Step::Handler => {
                    while latched || edges.count() > 0 {
                        latched = false;
                        edges.take();
                        read.extend(handler(&mut port));
                    }
                    let served = ier & 0x01 != 0 && mcr & LOOP == 0 && rts && !xoff;
                    if served {
                        prop_assert_eq!(port.console().input_waiting(), 0, "the guest sleeps");
                        prop_assert_eq!(read.len(), typed);
                    }
                }
                Step::Move => {
                    let state = port.state();
                    (port, edges) = moved(&state, control);
                    prop_assert_eq!(latest(&port).flow, state.latest().flow);
                    // What waits belongs to nobody. A spectator does not discard it, and an owner would.
                    let identity = Identity::new("test", 0, None);
                    if port.console().input_waiting() == 0 {
                        session = port.console().attach(Attach::new(identity)).unwrap();
                    } else {
                        session = port.console().attach(Attach::new(identity).with_mode(Mode::Spectate)).unwrap();
                    }
                }
            }
            prop_assert_eq!(port.console().input_stopped(), xoff || !rts);
            latched |= edges.take() > 0;
        }
        let expected: Vec<u8> = (0..typed).map(|n| n.to_le_bytes()[0]).collect();
        prop_assert_eq!(read, expected);
    }
}
