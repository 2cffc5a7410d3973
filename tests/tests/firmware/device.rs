//! The port as a device of the emulator.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rsemu::core::device::{Device, DeviceClass, RealizeCtx, ResetKind};
use rsemu::core::space::{MemAttrs, MemOps, MemResult, Region, RegionRef};
use rsemu::core::{Error, Result};
use rsemu::dev::riscv::dt::{self, DtSource, NodeSpec};
use rsemu::machine::Instance;
use vm_superio::Trigger;
use vuart::MmioPort;

/// The device's class, for machine descriptions.
pub(crate) static CLASS: DeviceClass = DeviceClass {
    name: "vuart",
    version: 1,
    summary: "vuart's port in memory",
    properties: &[],
    construct: |_| {
        Err(Error::Config {
            at: CLASS.name.to_owned(),
            message: "needs the port that it stands for".to_owned(),
        })
    },
};

/// An interrupt line that is not connected, because this firmware polls.
#[derive(Debug)]
pub(crate) struct Unwired;

impl Trigger for Unwired {
    type E = ();
    fn trigger(&self) -> std::result::Result<(), ()> {
        Ok(())
    }
}

/// How often the guest has accessed the port.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Accesses {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
}

#[derive(Debug)]
struct Registers {
    /// A lock because the emulator shares devices. It is never contended: the only hart runs on the test's thread.
    port: Mutex<(MmioPort<Unwired>, Accesses)>,
    shift: u8,
    width: u8,
}

impl MemOps for Registers {
    fn read(&self, offset: u64, data: &mut [u8], attrs: MemAttrs) -> MemResult {
        if attrs.debug {
            // An access of a debugger must not consume a character.
            data.fill(0);
            return Ok(());
        }
        let (port, accesses) = &mut *self.port.lock().unwrap_or_else(PoisonError::into_inner);
        accesses.reads += 1;
        port.read(offset, data);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8], attrs: MemAttrs) -> MemResult {
        if !attrs.debug {
            let (port, accesses) = &mut *self.port.lock().unwrap_or_else(PoisonError::into_inner);
            accesses.writes += 1;
            port.write(offset, data);
        }
        Ok(())
    }
}

impl DtSource for Registers {
    fn dt_spec(&self) -> NodeSpec {
        NodeSpec::peripheral("serial", &["ns16550a"])
            .with_cells("clock-frequency", vec![1_843_200])
            .with_cells("reg-shift", vec![self.shift.into()])
            .with_cells("reg-io-width", vec![self.width.into()])
    }
}

/// The device: the port, which the machine's description maps to an address.
#[derive(Debug)]
pub(crate) struct Vuart {
    registers: Arc<Registers>,
    region: RegionRef,
}

impl Vuart {
    /// A device whose device tree node has `reg-shift = <shift>` and `reg-io-width = <width>`.
    pub(crate) fn new(port: MmioPort<Unwired>, shift: u8, width: u8) -> Self {
        let length = port.len();
        let registers = Arc::new(Registers { port: Mutex::new((port, Accesses::default())), shift, width });
        let region = Arc::new(Region::io(CLASS.name, length, Arc::clone(&registers) as Arc<dyn MemOps>));
        Self { registers, region }
    }

    /// How often the guest has accessed it, and how many interrupts the port has raised.
    pub(crate) fn counts(&self) -> (Accesses, u64) {
        let (port, accesses) = &*self.registers.port.lock().unwrap_or_else(PoisonError::into_inner);
        (*accesses, port.port().counters().interrupts)
    }
}

impl Device for Vuart {
    fn class(&self) -> &'static DeviceClass {
        &CLASS
    }

    fn realize(&self, ctx: &mut RealizeCtx<'_>) -> Result<()> {
        let source = Arc::downgrade(&self.registers) as Weak<dyn DtSource>;
        dt::publish(ctx.hosts(), &self.region, source)
    }

    fn reset(&self, _kind: ResetKind) {
        // The machine is only reset when it is made, and the port is new then.
    }

    fn region(&self, _name: &str) -> Option<RegionRef> {
        Some(Arc::clone(&self.region))
    }
}

impl Instance for Vuart {}
