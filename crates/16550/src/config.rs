//! The settings that a board chooses for its UART.

use core::num::NonZeroU32;

use crate::spec::{Fcr, Ier, Mcr};

/// The chip that a UART emulates and identifies as.
///
/// A profile is part of the format of a [state](crate::UartState), so variants keep their names and their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Profile {
    /// A 16450, which has no FIFOs and no FCR.
    Uart16450,
    /// A 16550A, which has 16-byte FIFOs. Every PC has one, and every guest has a driver for it.
    #[default]
    Uart16550a,
    /// A TL16C750, which has FIFOs of 16 or 64 bytes and automatic flow control by RTS and CTS.
    Uart16750,
}

impl Profile {
    /// Returns the bits of IER that this chip has.
    pub(crate) const fn ier(self) -> Ier {
        match self {
            Self::Uart16450 | Self::Uart16550a => Ier::STANDARD,
            Self::Uart16750 => Ier::all(),
        }
    }

    /// Returns the bits of MCR that this chip has.
    pub(crate) const fn mcr(self) -> Mcr {
        match self {
            Self::Uart16450 | Self::Uart16550a => Mcr::STANDARD,
            Self::Uart16750 => Mcr::all(),
        }
    }

    /// Returns what FCR holds after a write of `value`, where FCR held `before` and DLAB is `dlab`.
    pub(crate) const fn fcr_after_write(self, before: Fcr, value: Fcr, dlab: bool) -> Fcr {
        let value = value.intersection(self.fcr());
        if !value.contains(Fcr::ENABLE) {
            // Without bit 0 the other bits are not programmed (data sheet, 8.5), and without FIFOs they mean nothing.
            return Fcr::empty();
        }
        if dlab {
            return value;
        }
        // LCR bit 7 protects this bit (TL16C750 data sheet, FCR), so a driver for a 16550A cannot change it by mistake.
        value.difference(Fcr::FIFO_64).union(before.intersection(Fcr::FIFO_64))
    }

    /// Returns the bits of FCR that this chip stores. The reset bits clear themselves, so they are not stored.
    const fn fcr(self) -> Fcr {
        let standard = Fcr::ENABLE.union(Fcr::DMA).union(Fcr::TRIGGER);
        match self {
            Self::Uart16450 => Fcr::empty(),
            Self::Uart16550a => standard,
            Self::Uart16750 => standard.union(Fcr::FIFO_64),
        }
    }
}

/// The settings that a board chooses for its UART.
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
    /// The chip (default: a 16550A).
    pub profile: Profile,
    /// Whether MCR.OUT2 gates the interrupt line, as on every PC board (default: true). The gate is always open in
    /// loopback: the OUT2 pin is idle there, and drivers test their interrupts there (R12).
    pub out2_gate: bool,
    /// The input frequency of the baud rate generator in hertz (default: a PC's 1.8432 MHz). It is sixteen times the
    /// highest baud rate. It has an effect in timed mode only, and only there it is part of the
    /// [state](crate::UartState).
    pub clock: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The input frequency of a PC's baud rate generator in hertz.
    pub const PC_CLOCK: NonZeroU32 = NonZeroU32::new(1_843_200).unwrap();

    /// Returns the settings of a PC's COM port.
    pub const fn new() -> Self {
        Self { profile: Profile::Uart16550a, out2_gate: true, clock: Self::PC_CLOCK }
    }

    /// Sets the chip.
    #[must_use]
    pub const fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Sets whether MCR.OUT2 gates the interrupt line.
    #[must_use]
    pub const fn with_out2_gate(self, out2_gate: bool) -> Self {
        Self { out2_gate, ..self }
    }

    /// Sets the input frequency of the baud rate generator, in hertz.
    #[must_use]
    pub const fn with_clock(self, clock: NonZeroU32) -> Self {
        Self { clock, ..self }
    }
}
