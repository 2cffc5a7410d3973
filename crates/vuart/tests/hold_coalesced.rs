//! `OutputPolicy::Hold` at a port whose output KVM collects: neither the guest nor the owner can tell it from one that sees each write at
//! once.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::collecting::Machine;
use support::{Edges, owner};
use vuart::endpoint::{Console, OutputPolicy, Policy};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, RingSize, SerialPort};

const RING: usize = 4096;

fn port() -> (SerialPort<Edges>, Edges) {
    let edges = Edges::default();
    let port = PortBuilder::new().with_scrollback(RingSize::of::<RING>()).build(edges.clone());
    let hold = OutputPolicy::Hold { deadline: OutputPolicy::LONGEST_HOLD };
    port.console().set_policy(Policy::default().with_output(hold));
    (port, edges)
}

#[derive(Debug, Clone)]
enum Step {
    Write(u8, u8),
    /// Without a look.
    Burst(usize),
    /// As a driver: as long as LSR shows THRE.
    Print(usize),
    Read(u8),
    Ticks(u32),
    OwnerReads(usize),
    OwnerChanges,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::sample::select(vec![(IER, 0), (IER, 5), (IER, 7), (LCR, 3), (LCR, 0x83), (MCR, 0x0B), (MCR, 0x1B), (FCR, 7)])
            .prop_map(|(register, value)| Step::Write(register, value)),
        2 => (1usize..400).prop_map(Step::Burst),
        8 => (1usize..4000).prop_map(Step::Print),
        4 => (0u8..8).prop_map(Step::Read),
        2 => (1u32..20).prop_map(Step::Ticks),
        6 => (1usize..4000).prop_map(Step::OwnerReads),
        1 => Just(Step::OwnerChanges),
    ]
}

/// What a console counts of holds: how many, missed deadlines, and bytes that did not heed one.
fn counts(console: &Console) -> (u64, u64, u64) {
    let counters = console.counters();
    (counters.output_holds, counters.output_holds_missed, counters.output_unheeded)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn r9_a_guest_whose_output_is_collected_is_held_as_any_other(steps in vec(step(), 1..80)) {
        let (mut plain, plain_edges) = port();
        let (collected, edges) = port();
        let mut vm = Machine::of(collected, edges);
        let mut plain_owner = owner(&plain);
        let mut vm_owner = vm.com1.with(|port| owner(port));
        for step in steps {
            match step {
                Step::Write(register, value) => {
                    plain.write_register(register, value);
                    vm.write(register, value);
                }
                Step::Burst(bytes) => {
                    for _ in 0..bytes {
                        plain.write_register(THR, b'b');
                        vm.write(THR, b'b');
                    }
                }
                Step::Print(bytes) => {
                    for _ in 0..bytes {
                        let lsr = vm.com1.read_register(LSR);
                        prop_assert_eq!(plain.read_register(LSR), lsr);
                        if lsr & 0x20 == 0 {
                            break;
                        }
                        plain.write_register(THR, b'p');
                        vm.write(THR, b'p');
                    }
                }
                Step::Read(register) => {
                    let answer = vm.com1.read_register(register);
                    prop_assert_eq!(plain.read_register(register), answer);
                }
                Step::Ticks(ticks) => (0..ticks).for_each(|_| _ = vm.ticks.tick()),
                Step::OwnerReads(bytes) => {
                    // What the kernel has, the owner can't have read.
                    vm.com1.drain();
                    let (mut one, mut other) = (vec![0; bytes], vec![0; bytes]);
                    prop_assert_eq!(plain_owner.read(&mut one), vm_owner.read(&mut other));
                }
                Step::OwnerChanges => {
                    vm.com1.drain();
                    (plain_owner, vm_owner) = (owner(&plain), vm.com1.with(|port| owner(port)));
                }
            }
            prop_assert_eq!(plain_edges.count(), vm.edges.count());
        }
        vm.com1.drain();
        prop_assert_eq!(counts(plain.console()), counts(&vm.console));
        prop_assert_eq!(plain.console().scrollback().end(), vm.console.scrollback().end());
    }
}
