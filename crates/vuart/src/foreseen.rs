//! What the guest's next accesses come to if nothing happens before: the short way through the port.
//!
//! Most of what a guest does at its console changes nothing that a later access could tell. It polls LSR, which says that
//! there is room, and writes THR, whose character goes into the ring. So whenever something has changed, the port works out
//! which of the next accesses would change nothing, and what they would read. An access on the short way looks that up, and
//! looks whether the host has done anything since; all others go the long way, and end with the next working out.
//!
//! The short way must not be told from the long one. `tests/foreseen.rs` has two ports do the same at random, one of which
//! never takes it, because it records what it does.

use vuart_16550::Uart;
use vuart_16550::spec::{InterruptId, offset};

/// The accesses that are answered on the short way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Foreseen {
    /// A bit for each register: reading it changes nothing, and gives what `values` has.
    reads: u8,
    /// Writing THR sends the character, and does nothing else.
    sends: bool,
    values: [u8; offset::COUNT as usize],
}

/// The registers that drivers read again and again.
const POLLED: [u8; 3] = [offset::IIR, offset::LSR, offset::MSR];

/// What there is to be looked at of the host's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    /// Input waits behind the receiver.
    pub(crate) input: bool,
    /// The carrier is to be dropped, or goes up again when the guest has seen that it is.
    pub(crate) carrier: bool,
}

impl Foreseen {
    /// `level` is that of the interrupt line, and `looked` whether the guest has read IIR or LSR since it last rose.
    pub(crate) fn of(uart: &Uart, host: Host, level: bool, looked: bool) -> Self {
        // A driver that has looked is given another edge for the next character.
        let awaits_edge = level && looked && uart.interrupt_id() == InterruptId::Thre;
        let sends = uart.is_transparent() && !awaits_edge;
        let mut foreseen = Self { sends, ..Self::default() };
        for register in POLLED {
            let changes = match register {
                // The first to look is remembered, and the one after it may take what waits.
                offset::LSR => !looked || (host.input && uart.received() == 0),
                offset::IIR => !looked || host.carrier || (host.input && uart.received() == 0),
                _ => host.carrier,
            };
            if let (false, Some(value)) = (changes, uart.peek(register)) {
                foreseen.reads |= 1 << register;
                foreseen.values[usize::from(register)] = value;
            }
        }
        foreseen
    }

    /// Writing THR sends the character, and does nothing else.
    #[inline]
    pub(crate) fn sends(&self) -> bool {
        self.sends
    }

    /// What the register reads, unless the host has done something meanwhile; `None` when that has to be worked out.
    #[inline]
    pub(crate) fn read(&self, register: u8) -> Option<u8> {
        let register = register & (offset::COUNT - 1);
        (self.reads >> register & 1 != 0).then(|| self.values[usize::from(register)])
    }
}
