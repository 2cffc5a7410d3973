//! The chip as the port holds it.
//!
//! With the feature `trace` it is `vuart_trace::Tracer`: the register machine, and around it what records each access
//! while a recording goes on. Without the feature it is the plain register machine, and nothing of a recording is left.

#[cfg(feature = "trace")]
mod imp {
    use vuart_16550::Uart;
    use vuart_16550::spec::Msr;
    pub(crate) use vuart_trace::Tracer as Chip;

    pub(crate) fn of(uart: Uart) -> Chip {
        uart.into()
    }

    /// Whether a recording has to see each access.
    #[inline]
    pub(crate) fn is_recording(chip: &Chip) -> bool {
        chip.is_recording()
    }

    /// Puts the chip into its state at power-on, with these modem inputs.
    pub(crate) fn reset(chip: &mut Chip, modem_inputs: Msr) {
        chip.reset(modem_inputs);
    }

    /// Ends an access, or an action of the host.
    #[inline]
    pub(crate) fn settle(chip: &mut Chip) {
        chip.settle();
    }
}

#[cfg(not(feature = "trace"))]
mod imp {
    pub(crate) use vuart_16550::Uart as Chip;
    use vuart_16550::spec::Msr;

    pub(crate) fn of(uart: Chip) -> Chip {
        uart
    }

    #[inline]
    pub(crate) fn is_recording(_: &Chip) -> bool {
        false
    }

    pub(crate) fn reset(chip: &mut Chip, modem_inputs: Msr) {
        *chip = Chip::new(chip.config()).with_modem_inputs(modem_inputs);
    }

    #[inline]
    pub(crate) fn settle(_: &mut Chip) {}
}

pub(crate) use imp::{Chip, is_recording, of, reset, settle};
