//! The registers behave as the model does, for any sequence of operations.

use proptest::prelude::*;
use vuart_16550::Uart;
use vuart_model::{Comparison, Difference, Mode, Operation, Setup};
use vuart_tests::{Registers, config};

/// Applies the operations to a UART and to the model, up to the first difference.
fn compare(setup: Setup, operations: impl IntoIterator<Item = Operation>) -> Result<(), Box<Difference>> {
    match setup.mode {
        Mode::Instant => {
            let mut comparison = Comparison::new(setup, Registers(Uart::new(config(setup))));
            operations.into_iter().try_for_each(|operation| comparison.check(&operation))
        }
        Mode::Timed => {
            let mut comparison = Comparison::new(setup, Registers(Uart::timed(config(setup))));
            operations.into_iter().try_for_each(|operation| comparison.check(&operation))
        }
    }
}

/// The random number generator `SplitMix64`.
struct Random(u64);

impl Random {
    /// A generator with the seed from `VUART_SEED`, or else with a fixed seed. The seed is printed.
    fn seeded() -> Self {
        let seed = match std::env::var("VUART_SEED") {
            Ok(seed) => seed.parse().expect("VUART_SEED is a decimal number"),
            Err(_) => 16_550,
        };
        println!("VUART_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n)).unwrap_or_default()
    }
}

/// Short sequences, which proptest shrinks to the fewest operations that fail.
#[test]
fn short_sequences_agree() {
    let operations = prop::collection::vec(any::<u64>().prop_map(Operation::from_bits), 1..200);
    for setup in Setup::all() {
        let config = ProptestConfig { cases: 40, max_shrink_iters: 10_000, ..ProptestConfig::default() };
        proptest!(config, |(operations in &operations)| {
            compare(setup, operations).map_err(|difference| TestCaseError::fail(difference.to_string()))?;
        });
    }
}

/// Long sequences, which reach states that short ones do not, with any clock.
#[test]
fn a_million_operations_agree() {
    const OPERATIONS: usize = 4_000;
    const SEQUENCES: u64 = 24;

    let mut random = Random::seeded();
    let mut operations = 0;
    for setup in Setup::all() {
        for _ in 0..SEQUENCES {
            let clock_hz = Setup::generate(|n| random.below(n)).clock_hz;
            let setup = Setup { clock_hz, ..setup };
            let some: Vec<_> = (0..OPERATIONS).map(|_| Operation::from_bits(random.next())).collect();
            // In instant mode the passing of time is not counted as an operation.
            let passes = |operation: &&Operation| {
                matches!(operation, Operation::Advance { .. } | Operation::Await { .. })
            };
            let idle = if setup.mode == Mode::Instant { some.iter().filter(passes).count() } else { 0 };
            let effective = OPERATIONS - idle;
            compare(setup, some).unwrap_or_else(|difference| panic!("{difference}"));
            operations += effective;
        }
    }
    assert!(operations >= 1_000_000);
}

/// At the largest time, five centuries from the start, nothing overflows: later events happen then.
#[test]
fn the_maximum_time_agrees() {
    let mut random = Random::seeded();
    for setup in Setup::all() {
        let operations = (0..4_000).map(|index| match index {
            // Some seconds before the largest time, where fast characters still fit and slow ones do not.
            1_000 => Operation::Advance { ns: u64::MAX - 60_000_000_000 },
            3_000 => Operation::Advance { ns: u64::MAX },
            _ => Operation::from_bits(random.next()),
        });
        compare(setup, operations).unwrap_or_else(|difference| panic!("{difference}"));
    }
}
