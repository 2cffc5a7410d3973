//! A guest and its reader can't tell a coalesced port from one that sees each access at once.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::collecting::{Machine, output};
use support::{owner, port};
use vuart::endpoint::Session;
use vuart::uart::spec::offset::*;

#[derive(Debug, Clone)]
enum Step {
    Write(u8, u8),
    Print(usize),
    Read(u8),
    Type(u8),
    Ticks(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..8, any::<u8>()).prop_map(|(register, value)| Step::Write(register, value)),
        // Values that drivers write, so that the port defers now and then.
        4 => prop::sample::select(vec![(IER, 0), (IER, 5), (IER, 7), (LCR, 3), (LCR, 0x83), (MCR, 0x0B), (MCR, 0x1B), (FCR, 7)])
            .prop_map(|(register, value)| Step::Write(register, value)),
        6 => (1usize..400).prop_map(Step::Print),
        1 => prop_oneof![9 => 1usize..1000, 1 => 1usize..20_000].prop_map(Step::Print),
        4 => (0u8..8).prop_map(Step::Read),
        1 => any::<u8>().prop_map(Step::Type),
        2 => (1u32..20).prop_map(Step::Ticks),
    ]
}

proptest! {
    // Each case prints some ten thousand bytes.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_guest_and_its_reader_see_no_difference(steps in vec(step(), 1..200)) {
        let (mut plain, plain_edges) = port();
        let mut plain_owner = owner(&plain);
        let mut vm = Machine::new();
        let mut vm_owner: Session = vm.com1.with(|port| owner(port));
        for step in steps {
            match step {
                Step::Write(register, value) => {
                    plain.write_register(register, value);
                    vm.write(register, value);
                }
                Step::Print(bytes) => {
                    for byte in (0u8..=255).cycle().take(bytes) {
                        plain.write_register(THR, byte);
                        vm.write(THR, byte);
                    }
                }
                Step::Read(register) => {
                    let answer = vm.com1.read_register(register);
                    prop_assert_eq!(plain.read_register(register), answer);
                }
                Step::Type(byte) => {
                    let taken = vm_owner.write(&[byte]);
                    prop_assert_eq!(plain_owner.write(&[byte]), taken);
                }
                Step::Ticks(ticks) => (0..ticks).for_each(|_| _ = vm.ticks.tick()),
            }
            // Each interrupt comes when it would have come without coalescing, and not with the drain.
            prop_assert_eq!(plain_edges.count(), vm.edges.count());
        }
        vm.com1.drain();
        prop_assert!(output(plain.console()) == output(&vm.console));
    }
}
