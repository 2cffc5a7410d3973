//! The receiver: its FIFO, and what LSR says of it.

use crate::config::Profile;
use crate::fifo::{FIFO_SIZE_MAX, Fifo};
use crate::spec::{Fcr, Lsr};

/// A character as it came over the line: its data and its [`Lsr::CHARACTER_ERRORS`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) data: u8,
    pub(crate) errors: Lsr,
}

#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    fifo: Fifo<Received>,
    /// How many of the waiting characters have errors that LSR has not shown, so that its bit 7 needs no scan.
    with_errors: u8,
    /// OE, PE, FE, BI: set by the receiver, cleared by an LSR read (R7).
    errors: Lsr,
    /// 1, 16 or 64 characters; [`configure`](Self::configure) derives it.
    capacity: u8,
    /// In characters; [`configure`](Self::configure) derives it.
    trigger: u8,
}

impl Receiver {
    pub(crate) const fn new() -> Self {
        Self {
            fifo: Fifo::new(Received { data: 0, errors: Lsr::empty() }),
            with_errors: 0,
            errors: Lsr::empty(),
            capacity: 1,
            trigger: 1,
        }
    }

    /// One that has these characters and shows these errors. The caller has checked them, and configures it.
    pub(crate) fn restored(errors: Lsr, characters: impl Iterator<Item = Received>) -> Self {
        let mut receiver = Self { errors, ..Self::new() };
        for character in characters {
            receiver.with_errors += u8::from(!character.errors.is_empty());
            receiver.fifo.push(character);
        }
        receiver
    }

    /// Takes over what FCR says. What waits is the caller's concern.
    pub(crate) const fn configure(&mut self, fcr: Fcr) {
        self.capacity = capacity(fcr);
        self.trigger = fcr.trigger();
    }

    pub(crate) const fn len(&self) -> u8 {
        self.fifo.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.fifo.len() == 0
    }

    pub(crate) const fn capacity(&self) -> u8 {
        self.capacity
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.fifo.len() >= self.capacity
    }

    /// As many characters wait as the trigger level asks for.
    pub(crate) const fn is_at_trigger(&self) -> bool {
        self.fifo.len() >= self.trigger
    }

    pub(crate) const fn errors(&self) -> Lsr {
        self.errors
    }

    /// What waits, from the oldest to the newest, with the errors that LSR has not shown.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Received> {
        self.fifo.iter()
    }

    /// The shift register is full and wants to pass its character on.
    pub(crate) fn shift_in(&mut self, character: Received) {
        if self.is_full() {
            self.errors.insert(Lsr::OE);
            if self.capacity > 1 {
                // The FIFO keeps what it has; the shift register is overwritten (R7).
                return;
            }
            // In 16450 mode it is RBR that is overwritten. LSR has shown its errors already.
            self.fifo.clear();
        }
        self.with_errors += u8::from(!character.errors.is_empty());
        self.fifo.push(character);
        self.reveal();
    }

    /// RBR.
    pub(crate) fn pop(&mut self) -> Option<u8> {
        let character = self.fifo.pop()?;
        self.reveal();
        Some(character.data)
    }

    /// The receiver's bits of LSR; reading them clears the errors.
    pub(crate) fn read_status(&mut self) -> Lsr {
        let status = self.status();
        self.errors = Lsr::empty();
        status
    }

    /// The receiver's bits of LSR as a read would find them.
    pub(crate) fn status(&self) -> Lsr {
        let mut status = self.errors;
        status.set(Lsr::DR, !self.is_empty());
        let in_fifo = self.errors.intersects(Lsr::CHARACTER_ERRORS) || self.with_errors != 0;
        status.set(Lsr::FIFO_ERROR, self.capacity > 1 && in_fifo);
        status
    }

    /// The errors of characters go with them; an overrun is not one of them (R6).
    pub(crate) const fn reset(&mut self) {
        self.fifo.clear();
        self.with_errors = 0;
        self.errors = self.errors.difference(Lsr::CHARACTER_ERRORS);
    }

    /// Shows the errors of the character at the top, which is when they are revealed to the CPU (data sheet, 8.4).
    fn reveal(&mut self) {
        if self.with_errors == 0 {
            return;
        }
        if let Some(top) = self.fifo.top()
            && !top.errors.is_empty()
        {
            self.errors.insert(top.errors);
            top.errors = Lsr::empty();
            self.with_errors -= 1;
        }
    }
}

/// How many characters the receiver holds, and the transmitter behind its shift register.
pub(crate) const fn capacity(fcr: Fcr) -> u8 {
    if !fcr.contains(Fcr::ENABLE) {
        1
    } else if fcr.contains(Fcr::FIFO_64) {
        FIFO_SIZE_MAX
    } else {
        crate::FIFO_SIZE
    }
}

/// What FCR holds after a write of `value`.
pub(crate) const fn stored_fcr(profile: Profile, before: Fcr, value: Fcr, dlab: bool) -> Fcr {
    let value = value.intersection(profile.fcr());
    if !value.contains(Fcr::ENABLE) {
        // The other bits are not programmed (data sheet, 8.5), and without FIFOs they mean nothing.
        return Fcr::empty();
    }
    if dlab {
        return value;
    }
    // LCR's bit 7 protects this one (TL16C750 data sheet, FCR): a driver that knows only the 16550A can't hit it.
    value.difference(Fcr::FIFO_64).union(before.intersection(Fcr::FIFO_64))
}
