//! A level-triggered COM1: asserts the interrupt input again when the guest has ended an interrupt and the port's line is still high.

use std::sync::Arc;

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use vuart::level::ResampleFd;

/// The part of an event loop that serves a [`ResampleFd`]. [`MachineOptions::with_level_interrupt`] makes the input level-triggered.
///
/// [`MachineOptions::with_level_interrupt`]: crate::MachineOptions::with_level_interrupt
#[derive(Debug)]
pub struct Resampler(pub Arc<ResampleFd>);

impl Resampler {
    fn events(&self) -> Events {
        Events::new(&*self.0, EventSet::IN)
    }

    fn resample(&self) {
        if let Err(error) = self.0.resample() {
            log::error!("the guest may have lost an interrupt of COM1: {error}");
        }
    }
}

impl MutEventSubscriber for Resampler {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        if let Err(error) = ops.add(self.events()) {
            log::error!("the guest will lose interrupts of COM1: {error:?}");
        }
    }

    fn process(&mut self, _events: Events, _ops: &mut EventOps<'_>) {
        self.resample();
    }
}
