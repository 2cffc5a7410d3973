//! The operations of a trace, and its settings.

use std::fmt::{self, Display};

use vuart_16550::spec::{Lsr, Msr};
use vuart_16550::{Config, Profile};

/// The UART's kind of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// [`Instant`](vuart_16550::Instant).
    #[default]
    Instant,
    /// [`Timed`](vuart_16550::Timed).
    Timed,
}

/// The place at which the host's side of a trace was written down. It decides what a trace is replayed on.
///
/// A virtual machine has a queue between the host and the chip. Input waits there, and the port decides when the receiver gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// What the host does at the port. How it gets to the receiver is up to the device.
    #[default]
    Port,
    /// What the receiver takes, at the moment at which it does so. [Recordings](crate::Tracer) are of this kind, because a queue is behind
    /// them already: a port with a queue of its own would deliver some of it earlier, later, or once more after a reset.
    Chip,
}

/// The settings of a trace: the UART before its first operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The kind of time.
    pub mode: Mode,
    /// The place of the host.
    pub boundary: Boundary,
    /// The chip and the board.
    pub config: Config,
}

impl Settings {
    /// Sets the time and the chip, for a host at the port.
    pub fn new(mode: Mode, config: Config) -> Self {
        Self { mode, boundary: Boundary::Port, config }
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// The guest writes a register.
    Write {
        /// The register, 0 to 7.
        register: u8,
        /// The value.
        value: u8,
    },
    /// The guest reads a register.
    Read {
        /// The register, 0 to 7.
        register: u8,
        /// The value that is expected. `None` accepts any.
        expected: Option<u8>,
    },
    /// The host sends characters.
    Receive(Vec<u8>),
    /// The host sends a character with [`Lsr::PE`], [`Lsr::FE`] or both.
    ReceiveError {
        /// The errors.
        errors: Lsr,
        /// The character.
        data: u8,
    },
    /// The host sends a break.
    ReceiveBreak,
    /// The bytes that have left the UART since the last operation of this kind.
    Transmitted(Vec<u8>),
    /// The level of the break-out line.
    BreakOut(bool),
    /// The level of the interrupt output.
    Interrupt(bool),
    /// The host switches modem inputs.
    Modem {
        /// The inputs that go on.
        on: Msr,
        /// The inputs that go off.
        off: Msr,
    },
    /// The machine is reset.
    Reset,
    /// This many nanoseconds pass.
    Pass(u64),
}

/// Writes it as a line of a trace.
impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { register, value } => write!(f, "w {register} {value:02x}"),
            Self::Read { register, expected: None } => write!(f, "r {register}"),
            Self::Read { register, expected: Some(value) } => write!(f, "r {register} {value:02x}"),
            Self::Receive(bytes) => write!(f, "rx{}", Bytes(bytes)),
            Self::ReceiveError { errors, data } => {
                let name = match (errors.contains(Lsr::PE), errors.contains(Lsr::FE)) {
                    (true, true) => "pe+fe",
                    (true, false) => "pe",
                    _ => "fe",
                };
                write!(f, "rx-err {name} {data:02x}")
            }
            Self::ReceiveBreak => f.write_str("break"),
            Self::Transmitted(bytes) => write!(f, "tx{}", Bytes(bytes)),
            Self::BreakOut(level) => write!(f, "tx-break {}", u8::from(*level)),
            Self::Interrupt(level) => write!(f, "irq {}", u8::from(*level)),
            Self::Modem { on, off } => {
                f.write_str("modem")?;
                for (name, input) in MODEM_INPUTS {
                    if on.contains(input) {
                        write!(f, " +{name}")?;
                    }
                    if off.contains(input) {
                        write!(f, " -{name}")?;
                    }
                }
                Ok(())
            }
            Self::Reset => f.write_str("reset"),
            Self::Pass(nanoseconds) => write!(f, "t {nanoseconds}"),
        }
    }
}

/// Bytes in hex, each after a space.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

pub(super) const MODEM_INPUTS: [(&str, Msr); 4] =
    [("cts", Msr::CTS), ("dsr", Msr::DSR), ("ri", Msr::RI), ("dcd", Msr::DCD)];

pub(super) const PROFILES: [(&str, Profile); 3] =
    [("16450", Profile::Uart16450), ("16550a", Profile::Uart16550a), ("16750", Profile::Uart16750)];
