//! What a character costs: nothing, or the time that it takes on a line.

use crate::restore::Saved;
use crate::uart::Uart;

/// The time that a [`Uart`] lives in: [`Instant`] or [`Timed`](crate::Timed). It is a type, so that the instant one costs
/// nothing at all. There are no others: the trait is sealed.
pub trait Time: Transmitter + Saved {}

/// The transmitter and the receiver's time-out, as the registers see them. Not to be implemented elsewhere: this trait can't
/// be named there.
pub trait Transmitter: Sized {
    /// The guest has written a character to THR. The answer is what leaves because of it at once.
    fn transmit(uart: &mut Uart<Self>, data: u8) -> Option<u8>;

    /// LSR.THRE.
    fn holding_register_empty(&self) -> bool;

    /// LSR.TEMT.
    fn transmitter_empty(&self) -> bool;

    /// A transmitter reset: FCR's bit 2, or a change of the FIFOs. `toggled` says that they went on or off.
    fn reset(uart: &mut Uart<Self>, toggled: bool);

    /// CTS or what depends on it may have changed.
    fn clear_to_send(uart: &mut Uart<Self>);

    /// What waits in the receiver has waited for four character times.
    fn timed_out(&self) -> bool;

    /// A character has arrived.
    fn arrived(uart: &mut Uart<Self>);

    /// The guest has read RBR, or has reset the receiver.
    fn taken(uart: &mut Uart<Self>);
}

/// No time: a character that is written to THR has left before the write returns, and what waits in the receiver has
/// always waited for four character times. There is no clock, and a virtual machine needs none.
///
/// THRE and TEMT are always 1, so firmware that spins on them without a limit (Linux' earlycon, U-Boot, OpenSBI, EDK2,
/// Windows' KD) never hangs (R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instant;

impl Time for Instant {}

impl Transmitter for Instant {
    #[inline]
    fn transmit(uart: &mut Uart<Self>, data: u8) -> Option<u8> {
        // The write empties the condition and the character that leaves at once sets it again (R2, R3).
        uart.thre_pending = true;
        uart.leave(data)
    }

    #[inline]
    fn holding_register_empty(&self) -> bool {
        true
    }

    #[inline]
    fn transmitter_empty(&self) -> bool {
        true
    }

    #[inline]
    fn reset(uart: &mut Uart<Self>, _toggled: bool) {
        // What was written has left already, so nothing that the guest believes sent is dropped (R6).
        uart.thre_pending = true;
    }

    #[inline]
    fn clear_to_send(_uart: &mut Uart<Self>) {}

    #[inline]
    fn timed_out(&self) -> bool {
        true
    }

    #[inline]
    fn arrived(_uart: &mut Uart<Self>) {}

    #[inline]
    fn taken(_uart: &mut Uart<Self>) {}
}
