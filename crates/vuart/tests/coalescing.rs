//! A guest can't tell a port behind a kernel that coalesces from one that sees each access at once.

mod support;

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use support::coalescing_steps::{Step, step};
use support::{Edges, owner, port};
use vuart::SerialPort;
use vuart::coalescing::{Change, Coalescing};
use vuart::endpoint::Session;
use vuart::uart::spec::offset::*;

const RING: usize = 169;

/// A port, and the owner of its console.
struct Device {
    port: SerialPort<Edges>,
    edges: Edges,
    owner: Session,
}

impl Device {
    fn new() -> Self {
        let (port, edges) = port();
        let owner = owner(&port);
        Self { port, edges, owner }
    }

    fn output(&self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let read = self.port.console().scrollback().read_at(0, &mut bytes);
        bytes.truncate(read.len());
        bytes
    }
}

/// The parts of the kernel and of the VMM.
struct Coalesced {
    device: Device,
    policy: Coalescing,
    registered: bool,
    ring: VecDeque<u8>,
    exits: usize,
}

impl Coalesced {
    fn new() -> Self {
        let (device, policy) = (Device::new(), Coalescing::new());
        Self { device, policy, registered: false, ring: VecDeque::new(), exits: 0 }
    }

    fn drain(&mut self) -> usize {
        let bytes: Vec<u8> = self.ring.drain(..).collect();
        self.device.port.write_string(THR.into(), &bytes);
        bytes.len()
    }

    fn change(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Register) => self.registered = true,
            Some(Change::Unregister) => {
                self.registered = false;
                self.drain();
            }
            None => {}
        }
        assert!(!self.registered || self.device.port.defers_output(), "registered, and it does not defer");
        assert_eq!(self.registered, self.policy.wants_ticks());
    }

    fn exit<T>(&mut self, written: usize, access: impl FnOnce(&mut SerialPort<Edges>) -> T) -> T {
        self.exits += 1;
        let written = written + self.drain();
        let answer = access(&mut self.device.port);
        let change = self.policy.accessed(written, self.device.port.defers_output());
        self.change(change);
        answer
    }

    fn write(&mut self, register: u8, value: u8) {
        if register == THR && self.registered && self.ring.len() < RING {
            return self.ring.push_back(value);
        }
        self.exit(usize::from(register == THR), |port| port.write_register(register, value));
    }

    fn tick(&mut self) {
        let written = self.drain();
        let change = self.policy.ticked(written);
        self.change(change);
    }
}

proptest! {
    // Each case prints some ten thousand bytes.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_guest_and_its_reader_see_no_difference(steps in vec(step(), 1..200)) {
        let (mut plain, mut coalesced) = (Device::new(), Coalesced::new());
        for step in steps {
            match step {
                Step::Write(register, value) => {
                    plain.port.write_register(register, value);
                    coalesced.write(register, value);
                }
                Step::Print(bytes) => {
                    for byte in (0u8..=255).cycle().take(bytes) {
                        plain.port.write_register(THR, byte);
                        coalesced.write(THR, byte);
                    }
                }
                Step::Read(register) => {
                    let answer = coalesced.exit(0, |port| port.read_register(register));
                    prop_assert_eq!(plain.port.read_register(register), answer);
                }
                Step::Type(byte) => {
                    let taken = coalesced.device.owner.write(&[byte]);
                    prop_assert_eq!(plain.owner.write(&[byte]), taken);
                }
                Step::Ticks(ticks) => (0..ticks).for_each(|_| coalesced.tick()),
            }
            // Each interrupt comes when it would have come without coalescing, and not with the drain.
            prop_assert_eq!(plain.edges.count(), coalesced.device.edges.count());
        }
        coalesced.drain();
        prop_assert!(plain.output() == coalesced.device.output());
    }
}

#[test]
fn a_guest_that_prints_16_bytes_for_each_lsr_read_exits_for_the_reads_alone() {
    let mut vm = Coalesced::new();
    for byte in 0..64 << 10 {
        if byte % 16 == 0 {
            assert_eq!(vm.exit(0, |port| port.read_register(LSR)), 0x60);
        }
        vm.write(THR, b'x');
    }
    vm.tick();
    assert_eq!(vm.device.output().len(), 64 << 10);
    assert_eq!(vm.exits, (64 << 10) / 16 + Coalescing::RUN);
    for _ in 0..Coalescing::SILENCE {
        vm.tick();
    }
    assert!(!vm.registered, "an idle guest has no timer");
}

#[test]
fn a_port_defers_while_its_guest_polls() {
    let (mut port, _) = port();
    assert!(port.defers_output(), "at reset");
    for (register, defers, does_not) in [(IER, 0x0D, 0x02), (LCR, 0x7F, 0x80), (MCR, 0x0F, 0x10)] {
        port.write_register(register, does_not);
        assert!(!port.defers_output(), "register {register}");
        port.write_register(register, defers);
        assert!(port.defers_output(), "register {register}");
    }
}

#[test]
fn a_port_that_records_does_not_defer() {
    let (mut port, _) = port();
    let recording = port.record(1 << 16).unwrap();
    assert!(!port.defers_output());
    drop(recording);
    port.read_register(LSR);
    assert!(port.defers_output());
}
