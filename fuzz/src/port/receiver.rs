//! The place of each character on its way to the guest.

use std::collections::VecDeque;

use vuart::uart::FIFO_SIZE;

/// A symbol that waits for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A character that was typed, or written in loopback.
    Byte(u8),
    /// A break, which is read as 0.
    Break,
}

/// Where a symbol in the UART has come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// From the present owner, or nobody has come to own the console since.
    Owner,
    /// From an owner before the present one: a new ownership has begun since the UART took it.
    OldOwner,
    Loopback,
}

/// How much is known about the UART's content. One access may take characters and clear the receiver, and only the port knows which came
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Known {
    /// All.
    #[default]
    Exactly,
    /// Some may be gone, from the front.
    SomeGone,
    /// Nothing, until it is empty.
    Nothing,
}

/// The most looks at LSR that show nothing although something waits: those to a driver that clears the receiver, and some.
pub(super) const IN_VAIN_MAX: u32 = 20;

/// The queue behind the receiver, and the receiver.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// The symbols that the console has taken, and the UART has not.
    queue: VecDeque<Item>,
    /// The symbols in the UART.
    fifo: VecDeque<(Item, Source)>,
    known: Known,
    /// How often in a row the guest has looked at LSR in vain while something waited.
    in_vain: u32,
    /// The number of characters that the UART has taken.
    taken: u64,
    typed: u64,
}

impl Receiver {
    /// The next byte that an owner types: never 0, which an empty receiver reads as, and different from its 254 neighbours
    /// on either side, so that a byte that is lost, doubled or out of order is noticed.
    pub(super) fn next_typed(&self, ahead: u64) -> u8 {
        u8::try_from((self.typed + ahead) % 255).map_or(1, |n| n + 1)
    }

    /// The console has taken `count` bytes from the owner.
    pub(super) fn typed(&mut self, count: usize) {
        for _ in 0..count {
            self.queue.push_back(Item::Byte(self.next_typed(0)));
            self.typed += 1;
        }
    }

    /// The console has taken a break from the owner.
    pub(super) fn typed_break(&mut self) {
        self.queue.push_back(Item::Break);
    }

    /// The number of symbols in the queue.
    pub(super) fn waiting(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Whether the guest would find something outside loopback, which holds the queue back.
    pub(super) fn certainly_waits(&self) -> bool {
        !self.queue.is_empty() || (self.known == Known::Exactly && !self.fifo.is_empty())
    }

    /// A new owner discards the queue. Returns the number of symbols.
    pub(super) fn discard(&mut self) -> u64 {
        let waiting = self.waiting();
        self.queue.clear();
        for (_, source) in self.fifo.iter_mut().filter(|(_, source)| *source == Source::Owner) {
            *source = Source::OldOwner;
        }
        waiting
    }

    /// FCR has cleared the receiver. What was typed is still to [go back](Self::has_taken).
    pub(super) fn clear(&mut self) {
        self.fifo.retain(|(_, source)| *source != Source::Loopback);
        self.in_vain = 0;
        if self.known != Known::Exactly {
            self.known = Known::SomeGone;
        }
    }

    /// The guest has written FCR, after which it may look in vain again.
    pub(super) fn fcr_was_written(&mut self) {
        self.in_vain = 0;
    }

    fn is_empty(&mut self) {
        self.fifo.clear();
        self.known = Known::Exactly;
    }

    /// Characters that are taken in the present access may have come before a clear in the same access.
    pub(super) fn be_uncertain(&mut self) {
        self.known = Known::SomeGone;
    }

    /// A character comes in loopback.
    pub(super) fn looped_back(&mut self, byte: u8, fifos: bool) {
        if !fifos {
            // RBR is overwritten.
            self.clear();
            self.fifo.push_back((Item::Byte(byte), Source::Loopback));
        } else if self.known != Known::Exactly {
            // There may be room for it or not.
            self.known = Known::Nothing;
        } else if self.fifo.len() < usize::from(FIFO_SIZE) {
            self.fifo.push_back((Item::Byte(byte), Source::Loopback));
        }
    }

    /// After an access: the UART has taken `total` characters since it was made, less those that went back to the queue. Returns how
    /// many were discarded, because a new ownership had begun when they were to go back.
    pub(super) fn has_taken(&mut self, total: u64, fifos: bool) -> u64 {
        for _ in self.taken..total {
            let item = self.queue.pop_front().expect("the guest's receiver took what nobody has typed");
            self.fifo.push_back((item, Source::Owner));
        }
        let mut discarded = 0;
        for _ in total..self.taken {
            let last = self.fifo.iter().rposition(|(_, source)| *source != Source::Loopback);
            match last.and_then(|last| self.fifo.remove(last)) {
                Some((item, Source::Owner)) => self.queue.push_front(item),
                Some(_) => discarded += 1,
                None => panic!("more went back to the queue than the receiver had"),
            }
        }
        self.taken = total;
        let capacity = if fifos { usize::from(FIFO_SIZE) } else { 1 };
        if self.known != Known::Exactly {
            let gone = self.fifo.len().saturating_sub(capacity);
            self.fifo.drain(..gone);
        }
        if self.known == Known::SomeGone && self.fifo.is_empty() {
            self.known = Known::Exactly;
        }
        assert!(self.fifo.len() <= capacity, "the receiver took more than it can hold: {:?}", self.fifo);
        discarded
    }

    /// The guest has read RBR, in an access at whose end the UART has taken `total` characters since it was made. An empty
    /// receiver takes what waits first, so that RBR is part of it; in an access to more registers than RBR (`alone` is false) the
    /// others may have taken it as well.
    ///
    /// A driver that reads RBR to clear it finds nothing, once, and what waits comes after that. Nothing reads as 0, and so does a break.
    pub(super) fn read(&mut self, value: u8, total: u64, alone: bool) {
        if total > self.taken {
            match (self.known, self.queue.front()) {
                (Known::Exactly, _) if !self.fifo.is_empty() => {}
                (Known::Exactly, Some(Item::Break)) if alone && value == 0 => self.known = Known::SomeGone,
                (Known::Exactly, Some(Item::Byte(_))) if alone && value == 0 => {}
                (Known::Exactly, _) if alone => {
                    self.fifo.extend(self.queue.pop_front().map(|item| (item, Source::Owner)));
                    self.taken += 1;
                }
                _ => self.known = Known::Nothing,
            }
        }
        match self.known {
            Known::Exactly => {
                let expected = match self.fifo.pop_front() {
                    Some((Item::Byte(byte), _)) => byte,
                    Some((Item::Break, _)) | None => 0,
                };
                assert_eq!(value, expected, "RBR; after it: {:?}", self.fifo);
            }
            Known::SomeGone if value != 0 => {
                let found = self.fifo.iter().position(|(item, _)| *item == Item::Byte(value));
                let found = found.unwrap_or_else(|| panic!("RBR is {value:#04x}, of {:?}", self.fifo));
                self.fifo.drain(..=found);
                self.known = Known::Exactly;
            }
            // A break, or nothing was there.
            Known::SomeGone | Known::Nothing => {}
        }
    }

    /// The guest has read LSR, and the receiver has not changed since. `held_back` says that the guest itself has stopped input, or is in
    /// loopback.
    pub(super) fn check_data_ready(&mut self, data_ready: bool, held_back: bool) {
        if self.known == Known::Exactly {
            assert_eq!(data_ready, !self.fifo.is_empty(), "LSR.DR; the receiver has {:?}", self.fifo);
        } else if !data_ready {
            self.is_empty();
        }
        if data_ready || held_back || self.queue.is_empty() {
            self.in_vain = 0;
        } else {
            self.in_vain += 1;
        }
        assert!(self.in_vain <= IN_VAIN_MAX, "LSR.DR stays 0 while {} symbols wait", self.queue.len());
    }
}
