//! How input gets from the queue behind the port into the chip's receiver, and back.
//!
//! Input waits in the console's [queue](Input) and moves up when the guest looks for it. So a guest that does not read costs nothing,
//! and a take-over discards all but what has moved up. [`pause`](crate::pause) says when a look moves nothing up.
//!
//! A guest that sleeps does not look. So while the receiver is empty and its interrupt is enabled, the port asks the queue for an
//! announcement: the thread that types interrupts the guest ([`Input::want`]).
//!
//! What has moved up and can't be read any more goes back to the front of the queue, because somebody has typed it: a guest that clears
//! the receiver does not know what a person has meant for it. That is so when FCR resets the receiver or switches the FIFOs, when a
//! character in loopback overwrites RBR, and when the port is reset. Characters that the guest sent to itself in loopback are not the
//! host's. They do not go back. Input moves up into an empty receiver only, so they are always behind the host's.

use vuart_16550::FIFO_SIZE_MAX;
use vuart_16550::spec::{Fcr, Lcr, Lsr, offset};
use vuart_endpoint::{Input, LineError, Symbol};

use crate::chip::Chip;
use crate::edge::Edge;
use crate::pause::{Look, Pause, RUN_MAX};

/// The guest's end of the input queue.
#[derive(Debug)]
pub(crate) struct Receive {
    input: Input,
    /// The count of the host's [changes](Input::changes) that the port has looked at.
    seen: u64,
    /// The guest has stopped input: see [`flow`](crate::flow).
    stopped: bool,
    pause: Pause,
    /// How many characters have moved up since the guest was last shown an empty receiver.
    run: u16,
    /// How many of the newest characters in the receiver came by loopback. It may be more than are left.
    looped: u8,
}

/// The receiver before a write that may clear it or put something into it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// The unread characters that came from the host.
    unread: u8,
    /// All unread characters.
    received: u8,
    capacity: u8,
    /// The write sends a character to the receiver, in loopback.
    loops_back: bool,
}

impl Receive {
    pub(crate) fn new(input: Input, pause: Pause, run: u16, looped: u8) -> Self {
        Self { input, seen: 0, stopped: false, pause, run, looped }
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

    /// Sets whether the guest has stopped input. While it has, nothing moves up, and no announcement is asked for: for the queue it is as
    /// if the receiver's interrupt were off. [Settle](Self::settle) after this, so that a guest that sleeps gets what waits.
    pub(crate) fn stop(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Whether input waits that may move up, while the receiver is empty. What is in the receiver is served first, so that a paste moves
    /// up by FIFOs and not by characters.
    #[inline]
    pub(crate) fn has_more_for(&self, chip: &Chip) -> bool {
        chip.received() == 0 && !self.stopped && !self.input.is_empty()
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

    pub(crate) fn pause(&self) -> Pause {
        self.pause
    }

    /// How many characters have moved up without a pause.
    pub(crate) fn run(&self) -> u16 {
        self.run
    }

    /// How many of the newest characters in the receiver came by loopback.
    pub(crate) fn looped(&self, chip: &Chip) -> u8 {
        self.looped.min(chip.received())
    }

    /// How many characters of the host are in the receiver: it took them from the queue, and the guest has not read them.
    pub(crate) fn unread(&self, chip: &Chip) -> u8 {
        chip.received() - self.looped(chip)
    }

    /// Whether a look of the guest ends a pause.
    #[inline]
    pub(crate) fn is_pausing(&self) -> bool {
        self.pause != Pause::None
    }

    /// Whether the guest is to be interrupted for input that stays behind the receiver in a pause. The interrupt line is high for it.
    ///
    /// A take-over may have discarded it since [`settle`](Self::settle) saw it. The guest has perhaps looked for the last time then, so
    /// the next input is to be announced.
    #[inline]
    pub(crate) fn calls(&mut self, chip: &Chip) -> bool {
        self.holds_back(chip) && !(self.input.is_empty() && self.input.want())
    }

    /// Whether input that comes, or is there, raises the interrupt line: the queue is to announce it, or holds it back in a pause.
    #[inline]
    pub(crate) fn awaits_input(&self, chip: &Chip) -> bool {
        self.input.has_asked() || self.holds_back(chip)
    }

    #[inline]
    fn holds_back(&self, chip: &Chip) -> bool {
        self.pause.holds() && chip.awaits_character() && !self.stopped
    }

    /// Before a read of RBR, IIR or LSR, when input [waits](Self::has_more_for): moves up what the guest looks for.
    ///
    /// A guest that polls LSR must see what has come. A guest that was interrupted for input must find it in whatever register it reads
    /// first.
    #[inline(never)]
    pub(crate) fn before_read(&mut self, register: u8, chip: &mut Chip, edge: &mut Edge) {
        let interrupts = chip.awaits_character();
        if self.pause == Pause::None && self.run >= RUN_MAX {
            self.pause = Pause::Due;
        }
        let look;
        (look, self.pause) = self.pause.look(register, interrupts);
        if look == Look::ShowsNothing {
            if interrupts {
                // The guest may sleep after this look: what still waits is a rise of the line.
                edge.saw(false);
            }
            return;
        }
        // An announcement that was asked for has been made, or is about to be. (A read of RBR does not show the guest the rise.)
        let announced = interrupts && self.input.announced() && register != offset::RBR;
        let before = announced && chip.interrupt();
        // A guest that polls gets one character at a time. A driver that starts up reads LSR and then empties the receiver with FCR: what
        // a person typed too early is better off behind it.
        if interrupts {
            self.refill::<FIFO>(chip);
        } else {
            self.refill::<ONE>(chip);
        }
        if announced {
            edge.announced_elsewhere(before, chip.interrupt());
        }
    }

    /// The guest reads IIR or LSR: if the receiver is empty, a run of characters ends.
    #[inline]
    pub(crate) fn is_looked_at(&mut self, chip: &Chip) {
        if chip.received() == 0 {
            self.run = 0;
        }
    }

    /// After an access that may have emptied the receiver, or changed whether input interrupts the guest: moves up to `MOST` characters
    /// at a time, and asks for an announcement when the guest has to wait for more.
    #[inline]
    pub(crate) fn settle<const MOST: usize>(&mut self, chip: &mut Chip, edge: &mut Edge) {
        if self.is_pausing() && self.input.is_empty() {
            // A take-over has discarded what was held back.
            self.pause = Pause::None;
        }
        if chip.awaits_character() && !self.stopped {
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
            // An announcement that was made for this input does not count: the guest may have served it already, when the input had
            // gone to a take-over, and what it reads in this access does not tell it of this input.
            self.input.announced();
            if self.pause.holds() {
                if MOST == FIFO {
                    // The guest has read, and has perhaps emptied the receiver: it may sleep now.
                    edge.saw(chip.interrupt());
                }
                return;
            }
            // The line falls between the last character and the next: an edge for a driver that reads only so many. The fall is noted
            // here and nowhere else, because a rise that another source made in this access is still to be announced.
            edge.saw(chip.interrupt());
            if self.run >= RUN_MAX {
                self.pause = Pause::Due;
                return;
            }
            self.pause = Pause::None;
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

    /// Before a write of FCR, or any write in loopback.
    pub(crate) fn before_write(&self, register: u8, value: u8, chip: &Chip) -> Held {
        let lcr = Lcr::from_bits_retain(chip.peek(offset::LCR).unwrap_or_default());
        let begins_break = Lcr::from_bits_retain(value).contains(Lcr::BREAK) && !lcr.contains(Lcr::BREAK);
        let loops_back = chip.is_in_loopback()
            && match register {
                offset::THR => !lcr.contains(Lcr::DLAB),
                offset::LCR => begins_break,
                _ => false,
            };
        Held {
            unread: self.unread(chip),
            received: chip.received(),
            capacity: chip.receiver_capacity(),
            loops_back,
        }
    }

    /// After this write: puts back what the guest can't read any more.
    pub(crate) fn after_write(&mut self, held: Held, register: u8, value: u8, chip: &Chip, edge: &mut Edge) {
        let capacity = chip.receiver_capacity();
        let has_fifo = capacity > 1;
        let fcr = Fcr::from_bits_retain(value);
        let is_fcr = register == offset::FCR;
        if capacity != held.capacity || is_fcr && has_fifo && fcr.contains(Fcr::RX_RESET) {
            self.cleared(held.unread, edge);
        } else if is_fcr && !fcr.contains(Fcr::ENABLE) {
            // The FIFOs were off before, so the chip clears nothing. But a driver that switches them off means to clear them. (OpenBSD
            // reads RBR after this, for the character that may still be there.)
            self.hides_what_waits(edge);
        } else if held.loops_back && has_fifo {
            let arrived = chip.received() - held.received;
            self.looped = self.looped.min(held.received) + arrived;
        } else if held.loops_back {
            // Without FIFOs the character overwrites the one in RBR.
            self.put_back(held.unread, edge);
            self.looped = 1;
        }
    }

    /// The receiver was cleared while it held this many [unread](Self::unread) characters: they go back to the front of the queue, and
    /// the guest sees that the receiver is empty.
    pub(crate) fn cleared(&mut self, unread: u8, edge: &mut Edge) {
        self.put_back(unread, edge);
        self.looped = 0;
        self.hides_what_waits(edge);
    }

    fn hides_what_waits(&mut self, edge: &mut Edge) {
        if self.input.is_empty() {
            self.pause = Pause::None;
        } else {
            self.pause = self.pause.clear();
            // The line falls. It rises again if what waits interrupts the guest, which may sleep without another look.
            edge.saw(false);
        }
    }

    /// The guest was reset, and the receiver with it, which held this many [unread](Self::unread) characters. The new guest waits for
    /// nothing yet, and finds them when it looks.
    pub(crate) fn reset(&mut self, unread: u8, edge: &mut Edge) {
        self.put_back(unread, edge);
        (self.pause, self.run, self.looped) = (Pause::None, 0, 0);
        self.expect_nothing();
    }

    fn put_back(&mut self, unread: u8, edge: &mut Edge) {
        if unread > 0 {
            self.input.put_back(unread.into());
            // The line was high for them. It rises again if they interrupt the guest.
            edge.saw(false);
        }
    }

    /// Moves up to `MOST` waiting characters into the receiver, which is empty.
    fn refill<const MOST: usize>(&mut self, chip: &mut Chip) {
        let mut symbols = [Symbol::Byte(0); MOST];
        // A run ends exactly. In a pause a driver that reads RBR without a look still gets what it counts on.
        let left = RUN_MAX.checked_sub(self.run).filter(|left| *left > 0).map_or(MOST, usize::from);
        let room = usize::from(chip.room()).min(MOST).min(left);
        let taken = self.input.take(&mut symbols[..room]);
        for symbol in &symbols[..taken] {
            deliver(*symbol, chip);
        }
        self.run = self.run.saturating_add(u16::try_from(taken).unwrap_or(u16::MAX));
        self.looped = 0;
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

/// The symbol that has become a character with these errors in the receiver: the reverse of [`deliver`].
pub(crate) fn symbol(data: u8, errors: Lsr) -> Symbol {
    match (errors.contains(Lsr::BI), errors.contains(Lsr::PE), errors.contains(Lsr::FE)) {
        (true, ..) => Symbol::Break,
        (_, true, true) => Symbol::Damaged(data, LineError::ParityAndFraming),
        (_, true, false) => Symbol::Damaged(data, LineError::Parity),
        (_, false, true) => Symbol::Damaged(data, LineError::Framing),
        (_, false, false) => Symbol::Byte(data),
    }
}

/// One character at a time.
pub(crate) const ONE: usize = 1;

/// As many characters at a time as the receiver of any chip holds.
pub(crate) const FIFO: usize = FIFO_SIZE_MAX as usize;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use vuart_16550::Uart;
    use vuart_endpoint::{Attach, Console, ConsoleParts, Identity, Mode, Session};
    use vuart_scrollback::Scrollback;

    use super::*;
    use crate::chip;

    fn take_over(console: &Console) -> Session {
        console.attach(Attach::new(Identity::new("test", 0, None)).with_mode(Mode::TakeOver)).unwrap()
    }

    /// A take-over comes after the port has found input that it holds back, and before it looks whether to interrupt the guest for it.
    #[test]
    fn f2_e4_a_take_over_in_the_middle_of_a_pausing_access_leaves_the_guest_listening() {
        let announced = Arc::new(AtomicUsize::new(0));
        let (_writer, scrollback) = Scrollback::new(4096).unwrap();
        let count = Arc::clone(&announced);
        let announce = move || {
            count.fetch_add(1, Relaxed);
        };
        let ConsoleParts { console, input, .. } = Console::builder(scrollback).build(announce);
        let mut chip = chip::of(Uart::default());
        chip.write(offset::IER, 0x01);
        let mut edge = Edge::default();
        let mut receive = Receive::new(input, Pause::None, 0, 0);
        for pause in [Pause::Cleared, Pause::Due, Pause::Shown, Pause::DueShown] {
            receive.pause = pause;
            take_over(&console).write(b"old").unwrap();
            receive.settle::<FIFO>(&mut chip, &mut edge);
            let mut owner = take_over(&console);
            assert!(!receive.calls(&chip), "{pause:?}: nothing waits");
            owner.write(b"new").unwrap();
            assert_eq!(announced.swap(0, Relaxed), 1, "{pause:?}");
            assert!(receive.awaits_input(&chip) && receive.calls(&chip), "{pause:?}");
        }
    }
}
