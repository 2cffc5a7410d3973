//! The smallest driver that hears of a hang-up.

use std::time::{Duration, Instant};

use vuart::SerialPort;
use vuart::endpoint::{Attach, HangUp, Identity, Mode, Policy, Session};
use vuart::uart::spec::{Ier, Mcr, Msr, offset::*};

use super::Edges;

/// A driver that is interrupted when DCD changes, and counts how often it was hung up on.
pub(crate) struct Guest {
    pub(crate) port: SerialPort<Edges>,
    pub(crate) edges: Edges,
    hung_up: usize,
}

impl Guest {
    pub(crate) fn new(hang_up: HangUp) -> Self {
        let (mut port, edges) = super::port();
        port.console().set_policy(Policy::default().with_hang_up(hang_up));
        port.write_register(MCR, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
        port.write_register(IER, Ier::EDSSI.bits());
        edges.take();
        Self { port, edges, hung_up: 0 }
    }

    /// The guest goes on in another port.
    pub(crate) fn moved(port: SerialPort<Edges>, edges: Edges) -> Self {
        Self { port, edges, hung_up: 0 }
    }

    /// Runs the driver's handler, if it was interrupted. Returns the number of hang-ups since the last call.
    pub(crate) fn hung_up(&mut self) -> usize {
        if self.edges.take() > 0 {
            while self.port.read_register(IIR) & 0x01 == 0 {
                let status = Msr::from_bits_retain(self.port.read_register(MSR));
                self.hung_up += usize::from(status.contains(Msr::DDCD) && !status.contains(Msr::DCD));
            }
        }
        std::mem::take(&mut self.hung_up)
    }

    pub(crate) fn attach(&self, label: &str, mode: Mode) -> Session {
        let request = Attach::new(Identity::new(label, 1000, None)).with_mode(mode);
        self.port.console().attach(request).unwrap()
    }

    /// Does what is due when so much time has passed.
    pub(crate) fn time_passes(&self, after: Duration) -> Option<Instant> {
        self.port.console().service(Instant::now() + after)
    }
}
