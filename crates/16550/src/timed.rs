//! Virtual time: the transmitter and the receiver's time-out, with the times that divisor and frame give.

use crate::fifo::{Fifo, capacity};
use crate::registers::Registers;
use crate::spec::Fcr;
use crate::time::{Time, Transmitter};

/// Virtual time, for tests of drivers. The caller counts it in nanoseconds.
///
/// Characters take the time that they take on a line. The transmitter has a holding register or FIFO and a shift register,
/// and the receiver's time-out comes after four character times. A driver sees the same as on a real chip:
///
/// ```
/// use vuart_16550::{Config, Uart, spec::offset::*};
///
/// let mut uart = Uart::timed(Config::new());
/// for (register, value) in [(LCR, 0x83), (DLL, 1), (DLM, 0), (LCR, 0x03)] {
///     uart.write(register, value); // 115200 baud, 8N1
/// }
/// assert_eq!(uart.character_time(), 86_806);
///
/// uart.write(THR, b'A'); // moves on to the shift register ...
/// assert_eq!(uart.read(LSR), 0x20); // ... so there is room for another
/// uart.write(THR, b'B');
/// assert_eq!(uart.read(LSR), 0x00);
///
/// assert_eq!(uart.advance(86_805), None);
/// assert_eq!(uart.advance(86_806), Some(b'A')); // call it until it returns `None`
/// assert_eq!(uart.read(LSR), 0x20);
/// assert_eq!(uart.next_event(), Some(2 * 86_806));
/// ```
#[derive(Debug, Clone)]
pub struct Timed {
    /// The present time in nanoseconds.
    pub(crate) now: u64,
    /// The transmitter's FIFO, or THR while the FIFOs are off.
    pub(crate) fifo: Fifo<u8>,
    pub(crate) shifting: Option<Shifting>,
    pub(crate) thre: Thre,
    /// Whether the FIFO has held two characters at once since THRE was last 1.
    pub(crate) two_queued: bool,
    /// Whether the FIFOs went on or off and the FIFO has not become empty since.
    pub(crate) undelayed: bool,
    pub(crate) timeout: CharacterTimeout,
}

/// The state of LSR.THRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thre {
    /// THR, or the transmitter's FIFO, is empty.
    Set,
    /// The FIFO is empty, and the delayed THRE becomes 1 at this time, in nanoseconds.
    SetAt(u64),
    /// THR, or the transmitter's FIFO, holds a character.
    Clear,
}

/// The state of the receiver's time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CharacterTimeout {
    /// No character waits in the receiver's FIFO.
    Idle,
    /// Characters wait, and the time-out comes at this time, in nanoseconds.
    At(u64),
    /// The time-out has come.
    Expired,
}

/// The character in the shift register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shifting {
    pub(crate) data: u8,
    /// The time at which its last bit is on the line, in nanoseconds.
    pub(crate) leaves_at: u64,
}

/// What happens as time passes. Events of the same moment happen in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    HoldingRegisterEmpty,
    CharacterLeaves,
    TimeOut,
}

impl Timed {
    pub(crate) const fn new() -> Self {
        Self {
            now: 0,
            fifo: Fifo::new(0),
            shifting: None,
            thre: Thre::Set,
            two_queued: false,
            undelayed: false,
            timeout: CharacterTimeout::Idle,
        }
    }

    /// Returns the next event and its time.
    pub(crate) fn next(&self) -> Option<(u64, Event)> {
        let thre = match self.thre {
            Thre::SetAt(at) => Some(at),
            Thre::Set | Thre::Clear => None,
        };
        let timeout = match self.timeout {
            CharacterTimeout::At(at) => Some(at),
            CharacterTimeout::Idle | CharacterTimeout::Expired => None,
        };
        let events = [
            (thre, Event::HoldingRegisterEmpty),
            (self.shifting.map(|shifting| shifting.leaves_at), Event::CharacterLeaves),
            (timeout, Event::TimeOut),
        ];
        // Of equal times, `min_by_key` takes the first.
        events.into_iter().filter_map(|(at, event)| Some((at?, event))).min_by_key(|(at, _)| *at)
    }

    /// Moves the next character from the FIFO, or THR, to the shift register, if it can start.
    pub(crate) fn start(&mut self, registers: &mut Registers) {
        if registers.cts_holds() || self.shifting.is_some() {
            return;
        }
        let Some(data) = self.fifo.pop() else { return };
        let leaves_at = self.now.saturating_add(registers.character_time());
        self.shifting = Some(Shifting { data, leaves_at });
        if self.fifo.len() != 0 {
            return;
        }
        if registers.fcr.contains(Fcr::ENABLE) && !self.two_queued && !self.undelayed {
            // FIFO-empty indications are delayed by a character time less the last stop bit, unless the FIFO has held two
            // characters at once (data sheet, 8.11). So a driver that sends single characters gets one interrupt for each,
            // not two.
            self.thre = Thre::SetAt(leaves_at.saturating_sub(registers.bit_time()).max(self.now));
        } else {
            self.holding_register_empties(registers);
        }
    }

    pub(crate) const fn holding_register_empties(&mut self, registers: &mut Registers) {
        self.thre = Thre::Set;
        self.two_queued = false;
        self.undelayed = false;
        registers.thre_pending = true;
    }

    /// Starts the time-out anew: four character times from now, if characters wait in a FIFO (data sheet, 8.11).
    fn restart_time_out(&mut self, registers: &Registers) {
        let runs = registers.fcr.contains(Fcr::ENABLE) && !registers.rx.is_empty();
        self.timeout = if runs {
            CharacterTimeout::At(self.now.saturating_add(4 * registers.character_time()))
        } else {
            CharacterTimeout::Idle
        };
    }
}

impl Time for Timed {}

impl Transmitter for Timed {
    fn transmit(&mut self, registers: &mut Registers, data: u8) -> Option<u8> {
        let capacity = capacity(registers.fcr);
        registers.thre_pending = false;
        self.thre = Thre::Clear;
        if capacity == 1 {
            // A write to THR before it is empty overwrites it.
            self.fifo.clear();
        }
        if self.fifo.len() < capacity {
            self.fifo.push(data);
        }
        self.two_queued |= self.fifo.len() >= 2;
        self.start(registers);
        None
    }

    fn holding_register_empty(&self) -> bool {
        self.thre == Thre::Set
    }

    fn transmitter_empty(&self) -> bool {
        self.fifo.len() == 0 && self.shifting.is_none()
    }

    fn reset(&mut self, registers: &mut Registers, toggled: bool) {
        // The shift register is not cleared (data sheet, 8.5).
        self.fifo.clear();
        self.holding_register_empties(registers);
        self.undelayed |= toggled;
    }

    fn clear_to_send(&mut self, registers: &mut Registers) {
        self.start(registers);
    }

    fn timed_out(&self) -> bool {
        self.timeout == CharacterTimeout::Expired
    }

    fn arrived(&mut self, registers: &Registers) {
        if self.timeout != CharacterTimeout::Expired {
            self.restart_time_out(registers);
        }
    }

    fn taken(&mut self, registers: &Registers) {
        self.restart_time_out(registers);
    }

    fn cut_from_line(&mut self, _registers: &mut Registers) {}
}
