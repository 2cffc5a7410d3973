//! The bare register machine, with a host at the other end of its serial line.

use std::collections::VecDeque;

use vuart_16550::spec::{Lsr, Msr};
use vuart_16550::{Instant, Timed, Uart};

use crate::device::{Device, Unsupported};
use crate::operation::{Mode, Settings};

/// A bare [`Uart`] and the host at the other end of its serial line, to replay a [`Trace`](crate::Trace) on.
///
/// Use it for traces in virtual time and for recordings. The [boundary](crate::Settings::boundary) makes no difference here.
#[derive(Debug)]
pub struct Board {
    uart: AnyTime,
    modem_inputs: Msr,
    /// The characters that the host has sent and the receiver does not have yet, with their errors.
    incoming: VecDeque<(u8, Lsr)>,
    /// The bytes that have left the UART.
    transmitted: Vec<u8>,
    /// The time at which the serial line is free for another character, in timed mode.
    line_free_at: u64,
}

#[derive(Debug)]
enum AnyTime {
    Instant(Uart<Instant>),
    Timed(Uart<Timed>),
}

/// Evaluates an expression with the UART of either time.
macro_rules! uart {
    ($any:expr, $uart:ident => $do:expr) => {
        match $any {
            AnyTime::Instant($uart) => $do,
            AnyTime::Timed($uart) => $do,
        }
    };
}

impl Board {
    /// Makes a board with a UART after reset.
    pub fn new(settings: Settings) -> Self {
        let uart = match settings.mode {
            Mode::Instant => AnyTime::Instant(Uart::new(settings.config)),
            Mode::Timed => AnyTime::Timed(Uart::timed(settings.config)),
        };
        let (incoming, transmitted) = (VecDeque::new(), Vec::new());
        Self { uart, modem_inputs: Msr::CONNECTED, incoming, transmitted, line_free_at: 0 }
    }

    fn send(&mut self, data: u8, errors: Lsr) {
        self.incoming.push_back((data, errors));
        self.deliver();
    }

    /// Lets arrive what the host has sent, as far as possible now.
    fn deliver(&mut self) {
        match &mut self.uart {
            AnyTime::Instant(uart) => {
                while uart.room() > 0
                    && let Some((data, errors)) = self.incoming.pop_front()
                {
                    uart.receive_with_errors(data, errors);
                }
            }
            AnyTime::Timed(uart) => {
                while uart.now() >= self.line_free_at
                    && !uart.holds_sender()
                    && let Some((data, errors)) = self.incoming.pop_front()
                {
                    uart.receive_with_errors(data, errors);
                    self.line_free_at = uart.now().saturating_add(uart.character_time());
                }
            }
        }
    }

    fn pass_until(&mut self, end: u64) {
        loop {
            let AnyTime::Timed(uart) = &mut self.uart else { return };
            // Up to the next character that arrives, if one does. A sender that is held waits for the guest.
            let arrives = !self.incoming.is_empty() && !uart.holds_sender();
            let until = if arrives { self.line_free_at.max(uart.now()).min(end) } else { end };
            if let Some(byte) = uart.advance(until) {
                self.transmitted.push(byte);
                continue;
            }
            self.deliver();
            if until == end {
                return;
            }
        }
    }
}

impl Device for Board {
    fn name(&self) -> &'static str {
        match &self.uart {
            AnyTime::Instant(_) => "Uart",
            AnyTime::Timed(_) => "Uart<Timed>",
        }
    }

    fn read(&mut self, register: u8) -> u8 {
        let value = uart!(&mut self.uart, uart => uart.read(register));
        self.deliver();
        value
    }

    fn write(&mut self, register: u8, value: u8) {
        let left = uart!(&mut self.uart, uart => uart.write(register, value));
        self.transmitted.extend(left);
        self.deliver();
    }

    fn receive(&mut self, data: u8) {
        self.send(data, Lsr::empty());
    }

    fn receive_with_errors(&mut self, data: u8, errors: Lsr) -> Result<(), Unsupported> {
        self.send(data, errors);
        Ok(())
    }

    fn receive_break(&mut self) -> Result<(), Unsupported> {
        self.send(0, Lsr::BI);
        Ok(())
    }

    fn transmitted(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.transmitted)
    }

    fn break_out(&self) -> Result<bool, Unsupported> {
        Ok(uart!(&self.uart, uart => uart.break_out()))
    }

    fn interrupt(&self) -> bool {
        uart!(&self.uart, uart => uart.interrupt())
    }

    fn set_modem_inputs(&mut self, inputs: Msr) -> Result<(), Unsupported> {
        self.modem_inputs = inputs;
        uart!(&mut self.uart, uart => uart.set_modem_inputs(inputs));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        match &mut self.uart {
            AnyTime::Instant(uart) => *uart = Uart::new(uart.config()).with_modem_inputs(self.modem_inputs),
            AnyTime::Timed(uart) => {
                let now = uart.now();
                *uart = Uart::timed(uart.config()).with_modem_inputs(self.modem_inputs);
                // Nothing is in the new UART that could leave it.
                let _ = uart.advance(now);
            }
        }
        self.deliver();
        Ok(())
    }

    fn pass(&mut self, nanoseconds: u64) -> Result<(), Unsupported> {
        let AnyTime::Timed(uart) = &self.uart else { return Err(Unsupported("time in instant mode")) };
        let end = uart.now().saturating_add(nanoseconds);
        self.pass_until(end);
        Ok(())
    }
}
