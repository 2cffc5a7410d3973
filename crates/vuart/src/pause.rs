//! Pauses: when the guest is shown an empty receiver although input waits behind it.
//!
//! On a wire DR falls between two characters. A queue has no such gaps, and two kinds of driver need them.
//!
//! # A handler that reads for as long as there is something
//!
//! An interrupt handler reads RBR until LSR.DR is 0, and looks for more interrupts until IIR has none. If each look moved up what
//! waits, one interrupt would last as long as a paste. Drivers have bounds for what comes in one interrupt:
//!
//! | driver | in one interrupt |
//! |---|---|
//! | FreeBSD `uart` | its buffer holds 384 characters and is emptied after the interrupt; what is more is lost (`uart_bus_attach`, `uart_rx_full`) |
//! | Linux `8250` | 256 characters for each call of `serial8250_rx_chars`, and 512 calls for each interrupt (`PASS_LIMIT`), then "too much work" |
//! | Windows `serial.sys` | a buffer of 4,096 characters, less with little memory, emptied by a deferred call |
//! | NetBSD `com` | a ring of 2,048 characters, emptied by a soft interrupt |
//! | OpenBSD `com` | a buffer of 16,384 characters, emptied by a soft interrupt |
//!
//! So there is a pause after [`RUN_MAX`] characters, which is 256: Linux takes them in one call, and they fit into the smallest
//! buffer, FreeBSD's. The guest is shown an empty receiver once: DR = 0 by a read of LSR, and no input by a read of IIR, so that a
//! handler that looks at either comes to its end. A run of characters also ends when the guest is shown that nothing waits.
//!
//! The guest may see a pause by any of its looks, or by none, and may sleep after each. So the guest is interrupted when the
//! pause begins, and again after each look that shows it. A handler that runs takes all of these for one interrupt, which comes
//! when it has returned. A guest that polls loses one look in 257. If another interrupt is pending in a pause, IIR has that one, and
//! the handler goes on with the next run: then the number of the other interrupts bounds it.
//!
//! A read of RBR takes a character in a pause too, because a driver that reads RBR without a look counts on the character. That
//! holds also when LSR has shown that there is none, if input interrupts the guest: a handler may begin with RBR, and have looked
//! at LSR before only to send an echo.
//!
//! # A driver that clears the receiver
//!
//! A driver that starts up clears the receiver by FCR, and looks at LSR to see whether that worked. FreeBSD takes the chip for
//! broken if DR is 1, and OpenBSD clears again, for each character that waits. What was typed too early is still wanted: a person
//! typed it for whoever reads the port. So it stays in the queue, and the next read of LSR shows DR = 0. The one after that shows
//! what waits, to a guest that polls.
//!
//! Linux and OpenBSD also read RBR to clear it, when LSR has shown that it is empty or when they have just cleared it. A driver that
//! only wants to know whether something has come does not do that. A driver that does it is starting up, and is going to look
//! again and read RBR again: Linux up to five times ("for luck"), OpenBSD until DR is 0. So for the next [`LOOKS`] looks, or until
//! the driver enables the interrupt, it finds nothing.
//!
//! A driver that waits for the interrupt is interrupted, and finds its input by IIR at once. If it has looked at LSR since it cleared
//! the receiver, its first read of RBR finds nothing, and the next one does: some versions of Linux clear the receiver once more when
//! they have enabled the interrupt, and a handler may read nothing but RBR.

use vuart_16550::spec::offset;

/// The number of characters after which there is a pause.
pub(crate) const RUN_MAX: u16 = 256;

/// The number of reads of LSR that show an empty receiver to a driver that clears it. Linux makes five when it opens a port.
pub(crate) const LOOKS: u8 = 16;

/// Why the guest is shown an empty receiver although input waits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pause {
    /// It is not: what waits moves up when the guest looks.
    #[default]
    None,
    /// The guest has cleared the receiver, and has not looked at LSR since.
    Cleared,
    /// A run of characters has come to its end, and the guest has not looked since.
    Due,
    /// LSR has shown that the receiver is empty, after the guest has cleared it.
    Shown,
    /// The guest clears the receiver by reads of RBR. This many reads of LSR show nothing.
    Flushing(u8),
    /// LSR has shown that the receiver is empty, at the end of a run.
    DueShown,
}

/// What a look does while input waits behind the empty receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It moves up what it looks for.
    MovesUp,
    /// It shows an empty receiver.
    ShowsNothing,
}

impl Pause {
    /// The guest reads RBR, IIR or LSR while input waits behind the empty receiver. `interrupts` says that input interrupts it.
    ///
    /// Returns what the look does, and the pause after it.
    pub(crate) fn look(self, register: u8, interrupts: bool) -> (Look, Self) {
        use Look::{MovesUp, ShowsNothing};
        match (self, register) {
            (Self::None, offset::IIR) if !interrupts => (ShowsNothing, Self::None),
            (Self::None, _) | (Self::Shown | Self::DueShown, offset::LSR) => (MovesUp, Self::None),
            (Self::Cleared, offset::LSR) => (ShowsNothing, Self::Shown),
            (Self::Due, offset::LSR) => (ShowsNothing, Self::DueShown),
            (Self::DueShown, offset::RBR) | (Self::Cleared | Self::Flushing(_), _) if interrupts => {
                (MovesUp, Self::None)
            }
            (Self::Due | Self::Shown | Self::DueShown, offset::IIR)
            | (Self::Flushing(0 | 1), offset::LSR) => (ShowsNothing, Self::None),
            // The driver counts on the character, and the handler still has to end.
            (Self::Due, _) => (MovesUp, Self::Due),
            // Once: a handler that reads nothing but RBR would never get its input.
            (Self::Shown, _) if interrupts => (ShowsNothing, Self::None),
            (Self::Cleared | Self::Shown | Self::DueShown, offset::RBR) => {
                (ShowsNothing, Self::Flushing(LOOKS))
            }
            (Self::Flushing(looks), offset::LSR) => (ShowsNothing, Self::Flushing(looks - 1)),
            (Self::Cleared | Self::Shown | Self::DueShown | Self::Flushing(_), _) => (ShowsNothing, self),
        }
    }

    /// The guest has cleared the receiver while input waits.
    pub(crate) fn clear(self) -> Self {
        match self {
            Self::Flushing(_) => Self::Flushing(LOOKS),
            Self::None | Self::Cleared | Self::Due | Self::Shown | Self::DueShown => Self::Cleared,
        }
    }

    /// Whether input stays behind the receiver although it interrupts the guest.
    #[inline]
    pub(crate) fn holds(self) -> bool {
        matches!(self, Self::Cleared | Self::Due | Self::Shown | Self::DueShown)
    }
}
