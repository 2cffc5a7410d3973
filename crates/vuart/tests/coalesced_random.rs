//! A guest and its reader can't tell a coalesced port from one that sees each access at once.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::coalescing_steps::{Step, step};
use support::collecting::{Machine, output};
use support::{owner, port};
use vuart::endpoint::Session;
use vuart::uart::spec::offset::*;

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
