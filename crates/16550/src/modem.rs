//! The modem inputs and MSR.

use crate::spec::{Mcr, Msr};

#[derive(Debug, Clone)]
pub(crate) struct Modem {
    /// The value of MSR: the inputs and the deltas.
    status: Msr,
    /// The inputs that the host drives. The guest sees them unless LOOP is on.
    pins: Msr,
}

impl Modem {
    pub(crate) const fn new() -> Self {
        Self { status: Msr::CONNECTED, pins: Msr::CONNECTED }
    }

    pub(crate) fn restored(pins: Msr, deltas: Msr, seen: Msr) -> Self {
        Self { status: seen.union(deltas), pins }
    }

    pub(crate) const fn pins(&self) -> Msr {
        self.pins
    }

    pub(crate) const fn status(&self) -> Msr {
        self.status
    }

    pub(crate) fn read_status(&mut self) -> Msr {
        let status = self.status;
        self.status.remove(Msr::DELTAS);
        status
    }

    pub(crate) fn drive(&mut self, pins: Msr) {
        self.pins = pins & Msr::INPUTS;
    }

    /// Returns the inputs that the guest sees: the pins, or in loopback its own outputs (R10).
    pub(crate) fn seen(pins: Msr, outputs: Mcr) -> Msr {
        if !outputs.contains(Mcr::LOOP) {
            return pins;
        }
        let mut seen = Msr::empty();
        seen.set(Msr::CTS, outputs.contains(Mcr::RTS));
        seen.set(Msr::DSR, outputs.contains(Mcr::DTR));
        seen.set(Msr::RI, outputs.contains(Mcr::OUT1));
        seen.set(Msr::DCD, outputs.contains(Mcr::OUT2));
        seen
    }

    /// Updates MSR from the inputs and records the changes as deltas. `outputs` is MCR as it takes effect.
    pub(crate) fn update(&mut self, outputs: Mcr) {
        let now = Self::seen(self.pins, outputs);
        let before = self.status & Msr::INPUTS;
        let changed = before ^ now;
        let mut deltas = self.status & Msr::DELTAS;
        deltas.set(Msr::DCTS, deltas.contains(Msr::DCTS) || changed.contains(Msr::CTS));
        deltas.set(Msr::DDSR, deltas.contains(Msr::DDSR) || changed.contains(Msr::DSR));
        deltas.set(Msr::DDCD, deltas.contains(Msr::DDCD) || changed.contains(Msr::DCD));
        // RI has a delta for its trailing edge only.
        deltas.set(Msr::TERI, deltas.contains(Msr::TERI) || (changed & before).contains(Msr::RI));
        self.status = now.union(deltas);
    }
}
