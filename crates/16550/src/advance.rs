//! The passing of virtual time.

use crate::config::Config;
use crate::timed::{CharacterTimeout, Event, Timed};
use crate::uart::Uart;

impl Uart<Timed> {
    /// Makes a UART after a master reset, at time 0. [`new`](Uart::new) describes its reset values.
    pub const fn timed(config: Config) -> Self {
        Self::with_time(config, Timed::new())
    }

    /// Returns the present time in nanoseconds.
    pub const fn now(&self) -> u64 {
        self.time.now
    }

    /// Advances time to `now`, in nanoseconds, or to the moment at which a character leaves.
    ///
    /// If a character leaves, returns it. The time is then the moment at which its last bit is on the line, and the caller
    /// must call again. When it returns `None`, the time is `now`.
    ///
    /// Time never goes back: a `now` in the past counts as the present.
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
    #[must_use = "a character may have left before the time is `now`"]
    pub fn advance(&mut self, now: u64) -> Option<u8> {
        while let Some((at, event)) = self.time.next()
            && at <= now.max(self.time.now)
        {
            self.time.now = self.time.now.max(at);
            match event {
                Event::HoldingRegisterEmpty => self.time.holding_register_empties(&mut self.registers),
                Event::CharacterLeaves => {
                    let left = self.time.shifting.take().and_then(|shifting| self.leave(shifting.data));
                    self.time.start(&mut self.registers);
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

    /// Returns the time, in nanoseconds, at which a register changes or a character leaves if neither the guest nor the host
    /// does anything before. Returns `None` if nothing will happen.
    pub fn next_event(&self) -> Option<u64> {
        self.time.next().map(|(at, _)| at)
    }

    /// Returns how long a character takes now, in nanoseconds.
    ///
    /// Divisor, frame and clock decide it: a start bit, 5 to 8 data bits, a parity bit if enabled, and 1, 1.5 or 2 stop
    /// bits. A divisor of 0 counts as 65,536 (S2).
    ///
    /// A host that sends at this rate calls [`receive`](Self::receive) when the last bit of a character has arrived.
    pub fn character_time(&self) -> u64 {
        self.registers.character_time()
    }

    /// Returns how long a bit takes now, in nanoseconds.
    pub fn bit_time(&self) -> u64 {
        self.registers.bit_time()
    }
}
