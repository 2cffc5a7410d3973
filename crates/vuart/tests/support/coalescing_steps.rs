//! What guests and hosts do to a port that may be coalesced.

use proptest::prelude::*;
use vuart::uart::spec::offset::*;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Write(u8, u8),
    Print(usize),
    Read(u8),
    Type(u8),
    Ticks(u32),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..8, any::<u8>()).prop_map(|(register, value)| Step::Write(register, value)),
        // Values that drivers write, so that the port defers now and then.
        4 => prop::sample::select(vec![(IER, 0), (IER, 5), (IER, 7), (LCR, 3), (LCR, 0x83), (MCR, 0x0B), (MCR, 0x1B), (FCR, 7)])
            .prop_map(|(register, value)| Step::Write(register, value)),
        6 => (1usize..400).prop_map(Step::Print),
        // Runs that are worth a zone are rare, because they take their time.
        1 => prop_oneof![9 => 1usize..1000, 1 => 1usize..20_000].prop_map(Step::Print),
        4 => (0u8..8).prop_map(Step::Read),
        1 => any::<u8>().prop_map(Step::Type),
        2 => (1u32..20).prop_map(Step::Ticks),
    ]
}
