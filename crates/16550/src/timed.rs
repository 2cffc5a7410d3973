//! Virtual time: characters take as long as divisor and frame say.

use core::num::NonZeroU32;

use crate::config::Config;
use crate::fifo::Fifo;
use crate::receiver::capacity;
use crate::spec::{Fcr, Lcr};
use crate::time::{Time, Transmitter};
use crate::uart::Uart;

const NANOSECONDS: u64 = 1_000_000_000;

/// Time as a line has it, in virtual nanoseconds that the caller counts: the transmitter has a holding register or FIFO and
/// a shift register, and the receiver's time-out comes after four character times.
///
/// It is for the tests of drivers, who see on it what they would see on a chip:
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
/// uart.write(THR, b'A'); // goes on to the shift register ...
/// assert_eq!(uart.read(LSR), 0x20); // ... so there is room for another
/// uart.write(THR, b'B');
/// assert_eq!(uart.read(LSR), 0x00);
///
/// assert_eq!(uart.advance(86_805), None);
/// assert_eq!(uart.advance(86_806), Some(b'A')); // to be called until it is `None`
/// assert_eq!(uart.read(LSR), 0x20);
/// assert_eq!(uart.next_event(), Some(2 * 86_806));
/// ```
#[derive(Debug, Clone)]
pub struct Timed {
    pub(crate) now: u64,
    /// THR, or the transmitter's FIFO.
    pub(crate) fifo: Fifo<u8>,
    pub(crate) shifting: Option<Shifting>,
    pub(crate) thre: Thre,
    /// Two characters have been in the FIFO at once since THRE was last 1.
    pub(crate) two_queued: bool,
    /// The FIFOs went on or off, and the FIFO has not become empty since.
    pub(crate) undelayed: bool,
    pub(crate) timeout: CharacterTimeout,
}

/// LSR.THRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thre {
    /// THR, or the transmitter's FIFO, is empty.
    Set,
    /// It is empty; THRE is delayed, and will be 1 at this time, in nanoseconds.
    SetAt(u64),
    /// Something is in it.
    Clear,
}

/// The receiver's time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CharacterTimeout {
    /// Nothing waits in the receiver's FIFO.
    Idle,
    /// What waits will have done so for four character times at this time, in nanoseconds.
    At(u64),
    /// It has.
    Expired,
}

/// The shift register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shifting {
    pub(crate) data: u8,
    /// When its last bit is on the line.
    pub(crate) leaves_at: u64,
}

/// What time brings. In this order when it brings several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    HoldingRegisterEmpty,
    CharacterLeaves,
    TimeOut,
}

impl Time for Timed {}

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

    /// The longest character that any divisor and frame give, in nanoseconds.
    pub(crate) fn longest_character(clock: NonZeroU32) -> u64 {
        character_time(Lcr::all(), 0, clock)
    }

    fn next(&self) -> Option<(u64, Event)> {
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
        // The first of several that are equal.
        events.into_iter().filter_map(|(at, event)| Some((at?, event))).min_by_key(|(at, _)| *at)
    }
}

impl Uart<Timed> {
    /// A UART after master reset, at time 0. See [`new`](Uart::new) for its reset values.
    pub const fn timed(config: Config) -> Self {
        Self::with_time(config, Timed::new())
    }

    /// The present time in nanoseconds.
    pub const fn now(&self) -> u64 {
        self.time.now
    }

    /// Time goes on to `now`, in nanoseconds. The answer is a character that leaves on the way: the time is then the
    /// moment at which its last bit was on the line, and the call is to be made again, until the answer is `None` and the
    /// time is `now`.
    ///
    /// Time never goes back: a `now` that is past is the present.
    ///
    /// ```
    /// # use vuart_16550::{Config, Uart, spec::offset::THR};
    /// # let mut uart = Uart::timed(Config::new());
    /// uart.write(THR, b'a');
    /// uart.write(THR, b'b');
    /// let mut line = Vec::new();
    /// while let Some(byte) = uart.advance(1_000_000_000) {
    ///     line.push((uart.now(), byte));
    /// }
    /// let time = uart.character_time();
    /// assert_eq!(line, [(time, b'a'), (2 * time, b'b')]);
    /// ```
    #[must_use = "a character may have left, and then the time is not `now` yet"]
    pub fn advance(&mut self, now: u64) -> Option<u8> {
        while let Some((at, event)) = self.time.next()
            && at <= now.max(self.time.now)
        {
            self.time.now = self.time.now.max(at);
            match event {
                Event::HoldingRegisterEmpty => self.holding_register_empties(),
                Event::CharacterLeaves => {
                    let left = self.time.shifting.take().and_then(|shifting| self.leave(shifting.data));
                    self.start();
                    if left.is_some() {
                        return left;
                    }
                }
                Event::TimeOut => self.time.timeout = CharacterTimeout::Expired,
            }
        }
        self.time.now = self.time.now.max(now);
        None
    }

    /// When something happens next without anybody doing anything: a register changes or a character leaves.
    pub fn next_event(&self) -> Option<u64> {
        self.time.next().map(|(at, _)| at)
    }

    /// How long a character takes now, in nanoseconds, as divisor, frame and clock say: start bit, 5 to 8 data bits, parity
    /// bit, 1, 1.5 or 2 stop bits. A divisor of 0 counts as 65,536 (S2).
    ///
    /// Whoever sends to the UART calls [`receive`](Self::receive) when the last bit of a character has come.
    pub fn character_time(&self) -> u64 {
        character_time(self.lcr, self.divisor, self.config.clock)
    }

    /// How long a bit takes now, in nanoseconds.
    pub fn bit_time(&self) -> u64 {
        16 * divisor(self.divisor) * NANOSECONDS / clock(self.config.clock)
    }

    /// The next character goes from the FIFO, or THR, to the shift register, when it can.
    fn start(&mut self) {
        if self.cts_holds() || self.time.shifting.is_some() {
            return;
        }
        let Some(data) = self.time.fifo.pop() else { return };
        let leaves_at = self.time.now.saturating_add(self.character_time());
        self.time.shifting = Some(Shifting { data, leaves_at });
        if self.time.fifo.len() != 0 {
            return;
        }
        if self.fcr.contains(Fcr::ENABLE) && !self.time.two_queued && !self.time.undelayed {
            // FIFO-empty indications are delayed by a character time less the last stop bit, unless two characters have
            // been in the FIFO at once (data sheet, 8.11): a driver that sends single ones is not interrupted for each twice.
            let at = leaves_at.saturating_sub(self.bit_time()).max(self.time.now);
            self.time.thre = Thre::SetAt(at);
        } else {
            self.holding_register_empties();
        }
    }

    const fn holding_register_empties(&mut self) {
        self.time.thre = Thre::Set;
        self.time.two_queued = false;
        self.time.undelayed = false;
        self.thre_pending = true;
    }
}

impl Transmitter for Timed {
    fn transmit(uart: &mut Uart<Self>, data: u8) -> Option<u8> {
        let capacity = capacity(uart.fcr);
        let time = &mut uart.time;
        uart.thre_pending = false;
        time.thre = Thre::Clear;
        if capacity == 1 {
            // Whoever writes THR before it is empty overwrites it.
            time.fifo.clear();
        }
        if time.fifo.len() < capacity {
            time.fifo.push(data);
        }
        time.two_queued |= time.fifo.len() >= 2;
        uart.start();
        None
    }

    fn holding_register_empty(&self) -> bool {
        self.thre == Thre::Set
    }

    fn transmitter_empty(&self) -> bool {
        self.fifo.len() == 0 && self.shifting.is_none()
    }

    fn reset(uart: &mut Uart<Self>, toggled: bool) {
        // The shift register is not cleared (data sheet, 8.5).
        uart.time.fifo.clear();
        uart.holding_register_empties();
        uart.time.undelayed |= toggled;
    }

    fn clear_to_send(uart: &mut Uart<Self>) {
        uart.start();
    }

    fn timed_out(&self) -> bool {
        self.timeout == CharacterTimeout::Expired
    }

    fn arrived(uart: &mut Uart<Self>) {
        if uart.time.timeout != CharacterTimeout::Expired {
            restart_time_out(uart);
        }
    }

    fn taken(uart: &mut Uart<Self>) {
        restart_time_out(uart);
    }
}

/// Four character times from now, if something waits in a FIFO (data sheet, 8.11).
fn restart_time_out(uart: &mut Uart<Timed>) {
    let runs = uart.fcr.contains(Fcr::ENABLE) && !uart.rx.is_empty();
    uart.time.timeout = if runs {
        CharacterTimeout::At(uart.time.now.saturating_add(4 * uart.character_time()))
    } else {
        CharacterTimeout::Idle
    };
}

fn character_time(lcr: Lcr, latch: u16, hertz: NonZeroU32) -> u64 {
    (half_bits(lcr) * 8 * divisor(latch) * NANOSECONDS).div_ceil(clock(hertz))
}

/// The length of a frame in half bits: 14 to 24.
fn half_bits(lcr: Lcr) -> u64 {
    let data = 5 + u64::from((lcr & Lcr::WORD_LENGTH).bits());
    let parity = u64::from(lcr.contains(Lcr::PARITY));
    let stop = match (lcr.contains(Lcr::STOP), data) {
        (false, _) => 2,
        (true, 5) => 3,
        (true, _) => 4,
    };
    2 + 2 * data + 2 * parity + stop
}

fn divisor(divisor: u16) -> u64 {
    if divisor == 0 { 1 << 16 } else { divisor.into() }
}

fn clock(clock: NonZeroU32) -> u64 {
    // At least 1 by its type; said once more where the compiler has lost sight of it, for a division by 0 would panic.
    u64::from(clock.get()).max(1)
}
