//! How input gets from the queue behind the port into the chip's receiver.
//!
//! Input waits in the console's [queue](Input) and moves up when the guest looks for it. So a guest that does not read costs nothing,
//! a FIFO reset takes only what has moved up, and a take-over discards the rest.
//!
//! A guest that sleeps does not look. So while the receiver is empty and its interrupt is enabled, the port asks the queue for an
//! announcement: the thread that types interrupts the guest ([`Input::want`]).

use vuart_16550::FIFO_SIZE_MAX;
use vuart_16550::spec::{Lsr, offset};
use vuart_endpoint::{Input, LineError, Symbol};

use crate::chip::Chip;
use crate::edge::Edge;

/// The guest's end of the input queue.
#[derive(Debug)]
pub(crate) struct Receive {
    input: Input,
    /// The count of the host's [changes](Input::changes) that the port has looked at.
    seen: u64,
}

impl Receive {
    pub(crate) fn new(input: Input) -> Self {
        Self { input, seen: 0 }
    }

    /// Whether the host has done something that the port has not looked at: typed, announced, hung up.
    #[inline]
    pub(crate) fn host_has_acted(&self) -> bool {
        self.input.changes() != self.seen
    }

    /// Counts what the host has done so far as seen, and returns whether it was anything. Look at all of it *after* this.
    #[inline]
    pub(crate) fn catch_up(&mut self) -> bool {
        let changes = self.input.changes();
        changes != std::mem::replace(&mut self.seen, changes)
    }

    /// Whether input waits while the receiver is empty. What is in the receiver is served first, so that a paste moves up by FIFOs and
    /// not by characters.
    #[inline]
    pub(crate) fn has_more_for(&self, chip: &Chip) -> bool {
        chip.received() == 0 && !self.input.is_empty()
    }

    /// The input that waits, in order. For a snapshot: it allocates.
    pub(crate) fn waiting(&self) -> Vec<Symbol> {
        self.input.waiting()
    }

    /// Puts what waits into a copy of the chip, as far as it has room, and takes nothing from the queue.
    #[cfg(feature = "trace")]
    pub(crate) fn show(&self, chip: &mut Chip) {
        for symbol in self.waiting().into_iter().take(chip.room().into()) {
            deliver(symbol, chip);
        }
    }

    /// Before a read of RBR, IIR or LSR, when input [waits](Self::has_more_for): moves up what the guest looks for.
    ///
    /// A guest that polls LSR must see what has come. A guest that was interrupted for input must find it in whatever register it reads
    /// first.
    #[inline(never)]
    pub(crate) fn before_read(&mut self, register: u8, chip: &mut Chip, edge: &mut Edge) {
        let waits = chip.awaits_character();
        if !(waits || register == offset::LSR) {
            return;
        }
        // An announcement that was asked for has been made, or is about to be. (A read of RBR does not show the guest the rise.)
        let announced = self.input.announced() && register != offset::RBR;
        let before = announced && chip.interrupt();
        // A guest that polls reads LSR before each character, and gets one at a time. A driver that starts up reads LSR and then empties
        // the receiver with FCR: what a person typed too early is better off behind it.
        if waits {
            self.refill::<FIFO>(chip);
        } else {
            self.refill::<ONE>(chip);
        }
        if announced {
            edge.announced_elsewhere(before, chip.interrupt());
        }
    }

    /// After an access that may have emptied the receiver, or changed whether input interrupts the guest: moves up to `MOST` characters
    /// at a time, and asks for an announcement when the guest has to wait for more.
    #[inline]
    pub(crate) fn settle<const MOST: usize>(&mut self, chip: &mut Chip, edge: &mut Edge) {
        if chip.awaits_character() {
            self.serve::<MOST>(chip, edge);
        } else {
            self.expect_nothing();
        }
    }

    /// The guest sleeps until input comes.
    #[inline(never)]
    fn serve<const MOST: usize>(&mut self, chip: &mut Chip, edge: &mut Edge) {
        while chip.awaits_character() {
            if self.input.is_empty() && self.input.want() {
                return;
            }
            // The line falls between the last character and the next: an edge for a driver that reads only so many. The fall is noted
            // here and nowhere else, because a rise that another source made in this access is still to be announced.
            edge.saw(chip.interrupt());
            // An announcement that was made for this input does not count: the guest may have served it already, when the input had
            // gone to a take-over, and what it reads in this access does not tell it of this input.
            self.input.announced();
            self.refill::<MOST>(chip);
        }
        self.expect_nothing();
    }

    /// Input can't interrupt the guest now. An announcement would come to nothing, and must not be taken for one that counts when input
    /// can interrupt the guest again. Input stays behind the FIFO, where a guest that polls LSR gets it from.
    #[inline]
    fn expect_nothing(&mut self) {
        self.input.announced();
    }

    /// Moves up to `MOST` waiting characters into the receiver.
    fn refill<const MOST: usize>(&mut self, chip: &mut Chip) {
        let mut symbols = [Symbol::Byte(0); MOST];
        let room = usize::from(chip.room()).min(MOST);
        let taken = self.input.take(&mut symbols[..room]);
        for symbol in &symbols[..taken] {
            deliver(*symbol, chip);
        }
    }
}

/// Puts a symbol into the receiver.
#[inline]
fn deliver(symbol: Symbol, chip: &mut Chip) {
    match symbol {
        Symbol::Byte(byte) => chip.receive(byte),
        Symbol::Break => chip.receive_break(),
        Symbol::Damaged(byte, error) => chip.receive_with_errors(byte, as_lsr(error)),
    }
}

fn as_lsr(error: LineError) -> Lsr {
    match error {
        LineError::Parity => Lsr::PE,
        LineError::Framing => Lsr::FE,
        LineError::ParityAndFraming => Lsr::PE | Lsr::FE,
    }
}

/// One character at a time.
pub(crate) const ONE: usize = 1;

/// As many characters at a time as the receiver of any chip holds.
pub(crate) const FIFO: usize = FIFO_SIZE_MAX as usize;
