//! `OutputPolicy::Hold` with a guest that does anything: it is never held for longer than the deadline, no byte of its is dropped, and no
//! interrupt is lost.

mod support;

use std::time::Instant;

use proptest::prelude::*;
use support::{Edges, owner};
use vuart::endpoint::{OutputPolicy, Policy};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, RingSize, SerialPort};

const RING: usize = 4096;

#[derive(Debug, Clone)]
enum Step {
    /// Any register access.
    Write(u8, u8),
    Read(u8),
    /// Many bytes, without a look.
    Burst(u16),
    /// As a driver: as long as LSR shows THRE.
    Print(u16),
    /// The machine is reset.
    Reset,
    OwnerReads(u16),
    OwnerComes,
    OwnerLeaves,
    /// The deadline passes, and the console is serviced.
    Deadline,
    Policy(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let mcr = prop_oneof![Just(0x0B), Just(0x0B), Just(0x03), Just(0x1B), any::<u8>()];
    prop_oneof![
        2 => (0..8_u8, any::<u8>()).prop_map(|(register, value)| Step::Write(register, value)),
        2 => (0..4_u8).prop_map(|value| Step::Write(IER, value)),
        2 => mcr.prop_map(|value| Step::Write(MCR, value)),
        2 => Just(Step::Write(LCR, 0x03)),
        1 => any::<u8>().prop_map(|value| Step::Write(FCR, value)),
        4 => (0..8_u8).prop_map(Step::Read),
        1 => (0..2000_u16).prop_map(Step::Burst),
        4 => (0..4000_u16).prop_map(Step::Print),
        1 => Just(Step::Reset),
        4 => (0..4000_u16).prop_map(Step::OwnerReads),
        2 => Just(Step::OwnerComes),
        1 => Just(Step::OwnerLeaves),
        1 => Just(Step::Deadline),
        1 => any::<bool>().prop_map(Step::Policy),
    ]
}

/// Whether a THR write goes out on the line.
fn sends(port: &mut SerialPort<Edges>) -> bool {
    port.read_register(LCR) & 0x80 == 0 && port.read_register(MCR) & 0x10 == 0
}

fn is_empty(port: &mut SerialPort<Edges>) -> bool {
    port.read_register(LSR) & 0x60 == 0x60
}

proptest! {
    #[test]
    fn r9_a_guest_that_does_anything(steps in proptest::collection::vec(step(), 1..60)) {
        let edges = Edges::default();
        let mut port = PortBuilder::new().with_scrollback(RingSize::of::<RING>()).build(edges.clone());
        let console = port.console().clone();
        let policy = |holds| {
            let hold = OutputPolicy::Hold { deadline: OutputPolicy::LONGEST_HOLD };
            Policy::default().with_output(if holds { hold } else { OutputPolicy::Overwrite })
        };
        console.set_policy(policy(true));
        let mut session = Some(owner(&port));
        let mut written = 0;
        for step in steps {
            match step {
                Step::Write(register, value) => {
                    written += u64::from(register == THR && sends(&mut port));
                    port.write_register(register, value);
                }
                Step::Read(register) => drop(port.read_register(register)),
                Step::Burst(bytes) => {
                    if sends(&mut port) {
                        written += u64::from(bytes);
                    }
                    port.write_string(THR.into(), &vec![b'b'; bytes.into()]);
                }
                Step::Print(bytes) => {
                    let sends = sends(&mut port);
                    for _ in 0..bytes {
                        if !is_empty(&mut port) {
                            prop_assert!(console.output_held());
                            break;
                        }
                        port.write_register(THR, b'p');
                        written += u64::from(sends);
                    }
                }
                Step::Reset => drop(port.reset()),
                Step::OwnerReads(bytes) => {
                    if let Some(session) = &mut session {
                        let _ = session.read(&mut vec![0; bytes.into()]);
                    }
                }
                Step::OwnerComes => session = Some(owner(&port)),
                Step::OwnerLeaves => session = None,
                Step::Deadline => {
                    let _ = console.service(Instant::now() + 2 * OutputPolicy::LONGEST_HOLD);
                    prop_assert!(!console.output_held());
                    prop_assert!(is_empty(&mut port));
                }
                Step::Policy(hold) => console.set_policy(policy(hold)),
            }
            prop_assert_eq!(console.scrollback().end(), written);
            if session.is_none() {
                prop_assert!(is_empty(&mut port));
            }
        }
        // A driver starts up, and sleeps until THRE is 1. Whatever went before, it is interrupted.
        for (register, value) in [(LCR, 0x03), (MCR, 0x0B), (IER, 0x00)] {
            port.write_register(register, value);
        }
        edges.take();
        let held = !is_empty(&mut port);
        port.write_register(IER, 0x02);
        if held {
            prop_assert_eq!(edges.take(), 0);
            session = None;
        }
        prop_assert_eq!(edges.take(), 1);
        prop_assert_eq!((port.read_register(IIR) & 0x0F, port.read_register(LSR) & 0x60), (0x02, 0x60));
        drop(session);
    }
}
