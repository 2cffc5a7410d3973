//! The lines of a trace, as a guest's thread writes them.
//!
//! That thread must not wait for a disk. So it writes its lines into a ring of their own, from which a
//! [`Recording`] reads them.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use vuart_16550::spec::{Lsr, Msr};
use vuart_16550::{Config, Uart};
use vuart_scrollback::{CapacityError, Scrollback, Writer};

use crate::HEADER;
use crate::operation::{MODEM_INPUTS, Operation, PROFILES};
use crate::recording::{Link, Recording};

/// Nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The port is not in its reset state, in which a trace begins.
    #[error("the port is not in its reset state any more: record before the guest has touched it")]
    NotFresh,
    /// The ring can't have that size.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
}

/// Writes what happens to a UART as lines of a trace.
#[derive(Debug)]
pub(crate) struct Recorder {
    lines: Writer,
    link: Arc<Link>,
    interrupt: bool,
    break_out: bool,
    modem_inputs: Msr,
}

impl Recorder {
    /// A recorder for a UART in its reset state, and the recording that it makes.
    pub(crate) fn new(uart: &Uart, capacity: usize) -> Result<(Self, Recording), RecordError> {
        let config = uart.config();
        if uart.state() != Uart::new(config).state() {
            return Err(RecordError::NotFresh);
        }
        let (lines, scrollback) = Scrollback::new(capacity)?;
        let link = Arc::new(Link::default());
        let recording = Recording::new(scrollback.reader_at(0), Arc::clone(&link));
        let (interrupt, break_out, modem_inputs) = (false, false, Msr::CONNECTED);
        let mut recorder = Self { lines, link, interrupt, break_out, modem_inputs };
        recorder.settings(config);
        Ok((recorder, recording))
    }

    fn settings(&mut self, config: Config) {
        self.line(format_args!("{HEADER}"));
        // The recorder is around the chip, behind whatever queue there is.
        self.line(format_args!("at chip"));
        for (name, profile) in PROFILES {
            if profile == config.profile && profile != Config::new().profile {
                self.line(format_args!("profile {name}"));
            }
        }
        if config.out2_gate != Config::new().out2_gate {
            self.line(format_args!("out2-gate {}", if config.out2_gate { "on" } else { "off" }));
        }
    }

    /// The guest has read a register.
    #[cold]
    pub(crate) fn read(&mut self, register: u8, value: u8) {
        self.line(format_args!("r {register} {value:02x}"));
    }

    /// The guest has written a register, and `transmitted` has left because of it.
    #[cold]
    pub(crate) fn write(&mut self, register: u8, value: u8, transmitted: Option<u8>) {
        self.line(format_args!("w {register} {value:02x}"));
        if let Some(byte) = transmitted {
            self.line(format_args!("tx {byte:02x}"));
        }
    }

    /// The receiver has taken a character.
    #[cold]
    pub(crate) fn receive(&mut self, byte: u8) {
        self.line(format_args!("rx {byte:02x}"));
    }

    /// The receiver has taken a character with errors.
    #[cold]
    pub(crate) fn receive_with_errors(&mut self, data: u8, errors: Lsr) {
        self.line(format_args!("{}", Operation::ReceiveError { errors, data }));
    }

    /// The receiver has taken a break.
    #[cold]
    pub(crate) fn receive_break(&mut self) {
        self.line(format_args!("break"));
    }

    /// The host has set the modem inputs.
    #[cold]
    pub(crate) fn set_modem_inputs(&mut self, inputs: Msr) {
        let changed = inputs ^ self.modem_inputs;
        self.modem_inputs = inputs;
        for (name, input) in MODEM_INPUTS {
            if changed.contains(input) {
                self.line(format_args!("modem {}{name}", if inputs.contains(input) { '+' } else { '-' }));
            }
        }
    }

    /// The machine was reset. What has left the receiver by that comes again, as another `rx`, when the receiver takes it.
    #[cold]
    pub(crate) fn reset(&mut self, modem_inputs: Msr) {
        self.set_modem_inputs(modem_inputs);
        self.line(format_args!("{}", Operation::Reset));
    }

    /// An access is over: what it has changed on the outside.
    pub(crate) fn settle(&mut self, uart: &Uart) {
        if uart.break_out() != self.break_out {
            self.break_out = uart.break_out();
            self.line(format_args!("tx-break {}", u8::from(self.break_out)));
        }
        if uart.interrupt() != self.interrupt {
            self.interrupt = uart.interrupt();
            self.line(format_args!("irq {}", u8::from(self.interrupt)));
        }
        self.link.ring();
    }

    /// Whether nobody wants more.
    pub(crate) fn is_over(&self) -> bool {
        self.link.is_over()
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // The ring takes everything.
        let _ = Lines(&mut self.lines).write_fmt(format_args!("{line}\n"));
    }
}

struct Lines<'a>(&'a mut Writer);

impl fmt::Write for Lines<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.as_bytes());
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.link.end();
    }
}
