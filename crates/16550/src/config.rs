//! What a board decides about its UART.

use core::num::NonZeroU32;

use crate::spec::{Fcr, Ier, Mcr};

/// Which chip it is, and says it is. (It is part of a state, a format that stays: variants keep names and order.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Profile {
    /// A 16450: no FIFOs, and no FCR.
    Uart16450,
    /// A 16550A: 16-byte FIFOs. What every PC has, and every guest knows.
    #[default]
    Uart16550a,
    /// A TL16C750: FIFOs of 16 or 64 bytes, and automatic flow control by RTS and CTS.
    Uart16750,
}

impl Profile {
    /// The bits of IER that exist.
    pub(crate) const fn ier(self) -> Ier {
        match self {
            Self::Uart16450 | Self::Uart16550a => Ier::STANDARD,
            Self::Uart16750 => Ier::all(),
        }
    }

    /// The bits of MCR that exist.
    pub(crate) const fn mcr(self) -> Mcr {
        match self {
            Self::Uart16450 | Self::Uart16550a => Mcr::STANDARD,
            Self::Uart16750 => Mcr::all(),
        }
    }

    /// The bits of FCR that are kept; the resets clear themselves.
    pub(crate) const fn fcr(self) -> Fcr {
        let standard = Fcr::ENABLE.union(Fcr::DMA).union(Fcr::TRIGGER);
        match self {
            Self::Uart16450 => Fcr::empty(),
            Self::Uart16550a => standard,
            Self::Uart16750 => standard.union(Fcr::FIFO_64),
        }
    }
}

/// What a board decides about its UART.
///
/// ```
/// use vuart_16550::{Config, Profile};
///
/// const COM1: Config = Config::new();
/// const WIDE: Config = Config::new().with_profile(Profile::Uart16750).with_out2_gate(false);
/// assert_eq!(COM1.profile, Profile::Uart16550a);
/// assert!(COM1.out2_gate && !WIDE.out2_gate);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The chip; a 16550A unless said otherwise.
    pub profile: Profile,
    /// The interrupt line needs MCR.OUT2, as on every PC board; true unless said otherwise. Loopback is exempt: drivers
    /// test their interrupts there, where the OUT2 pin itself is idle (R12).
    pub out2_gate: bool,
    /// The frequency in hertz that the divisor divides, sixteen times the highest baud rate; a PC's 1.8432 MHz unless
    /// said otherwise. It counts in timed mode only, and only there is it part of the [state](crate::UartState).
    pub clock: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// What a PC's baud rate generator is fed with, in hertz.
    pub const PC_CLOCK: NonZeroU32 = NonZeroU32::new(1_843_200).unwrap();

    /// A PC's COM port.
    pub const fn new() -> Self {
        Self { profile: Profile::Uart16550a, out2_gate: true, clock: Self::PC_CLOCK }
    }

    /// The same, as another chip.
    #[must_use]
    pub const fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The same, with or without the OUT2 gate.
    #[must_use]
    pub const fn with_out2_gate(self, out2_gate: bool) -> Self {
        Self { out2_gate, ..self }
    }

    /// The same, with another clock, in hertz.
    #[must_use]
    pub const fn with_clock(self, clock: NonZeroU32) -> Self {
        Self { clock, ..self }
    }
}
