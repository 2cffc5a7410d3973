//! The modem inputs, and what MSR says of them.

use crate::spec::{Mcr, Msr};

#[derive(Debug, Clone)]
pub(crate) struct Modem {
    /// What MSR reads: inputs and deltas.
    status: Msr,
    /// What the host drives, seen by the guest unless LOOP is on.
    pins: Msr,
}

impl Modem {
    pub(crate) const fn new() -> Self {
        Self { status: Msr::CONNECTED, pins: Msr::CONNECTED }
    }

    pub(crate) fn restored(pins: Msr, deltas: Msr, seen: Msr) -> Self {
        Self { status: seen | deltas, pins }
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

    /// What the guest sees: the pins, or in loopback its own outputs (R10).
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

    /// MSR follows, and keeps the changes. `outputs` is MCR as it acts.
    pub(crate) fn update(&mut self, outputs: Mcr) {
        let now = Self::seen(self.pins, outputs);
        let before = self.status & Msr::INPUTS;
        let changed = before ^ now;
        let mut deltas = self.status & Msr::DELTAS;
        deltas.set(Msr::DCTS, deltas.contains(Msr::DCTS) || changed.contains(Msr::CTS));
        deltas.set(Msr::DDSR, deltas.contains(Msr::DDSR) || changed.contains(Msr::DSR));
        deltas.set(Msr::DDCD, deltas.contains(Msr::DDCD) || changed.contains(Msr::DCD));
        // Ring tells only its end.
        deltas.set(Msr::TERI, deltas.contains(Msr::TERI) || (changed & before).contains(Msr::RI));
        self.status = now | deltas;
    }
}
