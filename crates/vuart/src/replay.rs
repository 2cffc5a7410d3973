//! Replaying [register traces](crate::trace) on what a VMM embeds.
//!
//! [`device`] makes the device that belongs to a trace:
//!
//! | the trace | the device | its [name](Device::name) |
//! |---|---|---|
//! | in instant time, of a host at the port | a [`SerialPort`] with a client at its console: [`PortBoard`] | `SerialPort` |
//! | in instant time, recorded at the chip | the register machine inside a port: [`Board`] | `Uart` |
//! | in virtual time, which no port has | the register machine: [`Board`] | `Uart<Timed>` |
//!
//! ```
//! use vuart::{replay, trace::Trace};
//!
//! let trace: Trace = "
//!     w 1 01        # enable the interrupt of received data
//!     rx 41
//!     irq 1
//!     r 2 04
//!     r 0 41
//!     irq 0
//! ".parse()?;
//! let mut device = replay::device(trace.settings())?;
//! assert_eq!(device.name(), "SerialPort");
//! assert_eq!(trace.replay(&mut *device), []);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vm_superio::Trigger;
use vuart_16550::Config;
use vuart_16550::spec::{Lsr, Msr};
use vuart_endpoint::{Attach, Identity, Refused, Session, Symbol};
use vuart_scrollback::RingSize;
use vuart_trace::{Board, Boundary, Device, Mode, Settings, Unsupported};

use crate::builder::PortBuilder;
use crate::port::SerialPort;
use crate::receive;

/// There is no device to replay on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The console refuses the host.
    #[error(transparent)]
    Console(#[from] Refused),
}

/// Makes a fresh device for a trace with these settings. The [module](self) says which.
///
/// # Errors
///
/// When a port can't be made.
pub fn device(settings: Settings) -> Result<Box<dyn Device>, DeviceError> {
    Ok(match settings {
        Settings { mode: Mode::Instant, boundary: Boundary::Port, config, .. } => {
            Box::new(PortBoard::new(config)?)
        }
        settings => Box::new(Board::new(settings)),
    })
}

/// Enough for what leaves within one access, after which it is read.
const RING: RingSize = RingSize::of::<{ 1 << 16 }>();

/// A [`SerialPort`], and the owner of its console as the host. It replays a trace in instant time as a VMM's guest would see it.
///
/// The owner types into the console's queue. What does not fit there waits, and is offered again after each access.
///
/// A port calls a trigger, and a trace has the level of a line. So the interrupt counts as there while the port's line is high, or would
/// be if the guest looked at the input that waits. But it counts only if the trigger has been called since the line was last low.
#[derive(Debug)]
pub struct PortBoard {
    owner: Session,
    port: SerialPort<Calls>,
    /// What the host has sent and the queue has not taken yet.
    incoming: VecDeque<Symbol>,
    /// The bytes that have left the port.
    transmitted: Vec<u8>,
    /// How often the trigger had been called when the line was last low.
    calls_at_low: u64,
}

/// A trigger that counts its calls.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<AtomicU64>);

impl Trigger for Calls {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        // Relaxed: a count orders nothing, and one thread does it all.
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

impl PortBoard {
    /// Makes a port after reset, with this chip.
    ///
    /// # Errors
    ///
    /// When the port can't be made.
    pub fn new(config: Config) -> Result<Self, DeviceError> {
        let port = PortBuilder::new().with_uart(config).with_scrollback(RING).build(Calls::default());
        let owner = port.console().attach(Attach::new(Identity::new("replay", 0, None)))?;
        Ok(Self { owner, port, incoming: VecDeque::new(), transmitted: Vec::new(), calls_at_low: 0 })
    }

    fn send(&mut self, symbol: Symbol) {
        self.incoming.push_back(symbol);
        self.settle();
    }

    /// Ends an access, or an action of the host: offers what waits, and looks at the line.
    fn settle(&mut self) {
        while let Some(symbol) = self.incoming.front() {
            let taken = match symbol {
                Symbol::Byte(byte) => self.owner.write(&[*byte]).map(|taken| taken == 1),
                Symbol::Break => self.owner.send_break(),
                Symbol::Damaged(byte, error) => self.owner.send_damaged(*byte, *error),
            };
            // Nothing ends this session. If it ever does, what waits is never taken, and the trace does not match.
            if taken != Ok(true) {
                break;
            }
            self.incoming.pop_front();
        }
        if !self.port.line() {
            self.calls_at_low = self.port.counters().interrupts;
        }
    }
}

impl Device for PortBoard {
    fn name(&self) -> &'static str {
        "SerialPort"
    }

    fn read(&mut self, register: u8) -> u8 {
        let mut byte = [0xFF];
        self.port.read(register.into(), &mut byte);
        self.settle();
        byte[0]
    }

    fn write(&mut self, register: u8, value: u8) {
        self.port.write(register.into(), &[value]);
        // Now, so that the ring never laps.
        let mut left = [0; 16];
        let count = self.owner.read(&mut left).len();
        self.transmitted.extend(&left[..count]);
        self.settle();
    }

    fn receive(&mut self, data: u8) {
        self.send(Symbol::Byte(data));
    }

    fn receive_with_errors(&mut self, data: u8, errors: Lsr) -> Result<(), Unsupported> {
        self.send(receive::symbol(data, errors));
        Ok(())
    }

    fn receive_break(&mut self) -> Result<(), Unsupported> {
        self.send(Symbol::Break);
        Ok(())
    }

    fn transmitted(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.transmitted)
    }

    fn break_out(&self) -> Result<bool, Unsupported> {
        Ok(self.port.break_out())
    }

    fn interrupt(&self) -> bool {
        self.port.line() && self.port.counters().interrupts > self.calls_at_low
    }

    fn set_modem_inputs(&mut self, inputs: Msr) -> Result<(), Unsupported> {
        self.port.set_modem_inputs(inputs);
        self.settle();
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        self.port.reset();
        self.settle();
        Ok(())
    }
}
