//! The trait of what a trace can be replayed on.

use vuart_16550::spec::{Lsr, Msr};

/// A device has no such operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not there: {0}")]
pub struct Unsupported(pub &'static str);

/// A UART with a guest on one side and a host on the other: ours, or another implementation that is to be compared.
///
/// A method with a default is one that an implementation may lack.
pub trait Device {
    /// What the device is: the name of its type, for whoever reads the result of a replay.
    fn name(&self) -> &'static str;

    /// The guest reads a register, 0 to 7.
    fn read(&mut self, register: u8) -> u8;

    /// The guest writes a register, 0 to 7.
    fn write(&mut self, register: u8, value: u8);

    /// The host sends a character.
    fn receive(&mut self, data: u8);

    /// Takes the bytes that have left the UART since the last call.
    fn transmitted(&mut self) -> Vec<u8>;

    /// The level of the interrupt output.
    fn interrupt(&self) -> bool;

    /// The host sends a character with [`Lsr::PE`], [`Lsr::FE`] or both.
    ///
    /// # Errors
    ///
    /// If the device knows no such characters.
    fn receive_with_errors(&mut self, data: u8, errors: Lsr) -> Result<(), Unsupported> {
        let _ = (data, errors);
        Err(Unsupported("characters with errors"))
    }

    /// The host sends a break.
    ///
    /// # Errors
    ///
    /// If the device knows no breaks.
    fn receive_break(&mut self) -> Result<(), Unsupported> {
        Err(Unsupported("a break from the host"))
    }

    /// Whether the guest sends a break.
    ///
    /// # Errors
    ///
    /// If the device does not tell the host.
    fn break_out(&self) -> Result<bool, Unsupported> {
        Err(Unsupported("the guest's break"))
    }

    /// The host drives the modem inputs: CTS, DSR, RI, DCD. At first, all but RI are on.
    ///
    /// # Errors
    ///
    /// If the device has no modem inputs.
    fn set_modem_inputs(&mut self, inputs: Msr) -> Result<(), Unsupported> {
        let _ = inputs;
        Err(Unsupported("modem inputs"))
    }

    /// The machine is reset, and the UART with it: registers, FIFOs and line errors are as at power-on. The modem inputs stay as the host
    /// drives them, and show no change.
    ///
    /// # Errors
    ///
    /// If the device can't be reset.
    fn reset(&mut self) -> Result<(), Unsupported> {
        Err(Unsupported("a reset"))
    }

    /// Lets this many nanoseconds pass.
    ///
    /// # Errors
    ///
    /// If the device knows no time.
    fn pass(&mut self, nanoseconds: u64) -> Result<(), Unsupported> {
        let _ = nanoseconds;
        Err(Unsupported("virtual time"))
    }
}
