//! The settings that are fixed before a UART is switched on.

use std::num::NonZeroU32;

/// The kind of UART.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A UART without FIFOs.
    Uart16450,
    /// A UART with FIFOs of 16 characters.
    Uart16550a,
    /// A UART with FIFOs of 16 or 64 characters and automatic flow control.
    Uart16750,
}

/// The kind of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A character leaves before the write of THR ends, and a character time-out comes at once.
    Instant,
    /// Everything takes the time that it takes on a line.
    Timed,
}

/// The settings of a UART.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// The kind of UART.
    pub profile: Profile,
    /// The kind of time.
    pub mode: Mode,
    /// Whether OUT2 gates the interrupt, as on a PC.
    pub out2_gate: bool,
    /// The input frequency of the baud generator in hertz. It has no effect in instant time.
    pub clock_hz: NonZeroU32,
}

/// The frequency of a PC's crystal.
const PC_CLOCK: NonZeroU32 = NonZeroU32::new(1_843_200).expect("not zero");

/// The frequency of a PC, of fast serial cards, one for which no bit time is a whole number, and both ends of the range.
const CLOCKS: [NonZeroU32; 5] = [
    PC_CLOCK,
    NonZeroU32::new(14_745_600).expect("not zero"),
    NonZeroU32::new(24_000_007).expect("not zero"),
    NonZeroU32::MIN,
    NonZeroU32::MAX,
];

impl Setup {
    /// Returns the settings of a PC, but without the OUT2 gate.
    pub const fn new(profile: Profile, mode: Mode) -> Self {
        Self { profile, mode, out2_gate: false, clock_hz: PC_CLOCK }
    }

    /// Returns every profile in every mode, with and without the gate.
    pub fn all() -> impl Iterator<Item = Self> {
        [Profile::Uart16450, Profile::Uart16550a, Profile::Uart16750].into_iter().flat_map(|profile| {
            [Mode::Instant, Mode::Timed].into_iter().flat_map(move |mode| {
                [false, true].map(|out2_gate| Self { out2_gate, ..Self::new(profile, mode) })
            })
        })
    }

    /// Chooses one of all setups and one of a few clocks. `below(n)` must return a number from 0 to n - 1, which decides.
    pub fn generate(mut below: impl FnMut(u32) -> u32) -> Self {
        let profile = match below(3) {
            0 => Profile::Uart16450,
            1 => Profile::Uart16550a,
            _ => Profile::Uart16750,
        };
        let mode = if below(2) == 0 { Mode::Instant } else { Mode::Timed };
        let out2_gate = below(2) == 1;
        let clock_hz = CLOCKS.get(below(5) as usize).copied().unwrap_or(PC_CLOCK);
        Self { profile, mode, out2_gate, clock_hz }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Setup {
    fn arbitrary(bytes: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::generate(|n| bytes.int_in_range(0..=n - 1).unwrap_or(0)))
    }
}
