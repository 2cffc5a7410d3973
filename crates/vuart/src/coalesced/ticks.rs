//! The event loop's side: a timer for the last bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use vuart_dispatch::Dispatch;
use vuart_kvm::{Ticked, Ticker};

use super::{Collected, Sink};
use crate::coalescing::Coalescing;
use crate::shared::WeakShared;
use crate::shared::device::Device;

/// The event loop's side of a [`Coalesced`](super::Coalesced) port: a timer that brings the last bytes of a guest which makes no more accesses.
///
/// It hangs in any event loop: see [`Dispatch`]. It is readable every 10 ms while KVM collects, and never else. Nothing is collected before its
/// first dispatch. When it is dropped, the zone is unregistered, and each byte is an exit again. It does not keep the port.
#[derive(Debug)]
#[must_use = "nothing is collected before it is dispatched"]
pub struct Ticks<D: Device> {
    port: WeakShared<Collected<D>>,
    ticker: Ticker,
}

impl<D: Device> Ticks<D> {
    pub(super) fn new(port: WeakShared<Collected<D>>, ticker: Ticker) -> Self {
        Self { port, ticker }
    }

    /// A tick, whatever the timer says, and before any dispatch: for tests. Returns whether another is wanted.
    #[doc(hidden)]
    pub fn tick(&mut self) -> bool {
        self.ticker.tick(|| try_tick(&self.port))
    }
}

/// Ticks inside the port, if no vCPU is. It never waits for the port. The collector makes no system call inside; the port makes one if a
/// hold of output begins.
fn try_tick<D: Device>(port: &WeakShared<Collected<D>>) -> Option<Ticked> {
    let Some(port) = port.upgrade() else { return Some(Ticked::GONE) };
    let (ticked, doorbell) = port.try_with(|it| {
        let (ticked, output) = it.tick(|collector, sink| collector.tick(sink));
        // To ring after the lock, also if another port has taken the first one's place.
        (ticked, output.then(|| it.device.doorbell().clone()))
    })?;
    if let Some(doorbell) = doorbell {
        doorbell.ring_if_armed_after_unlock();
    }
    Some(ticked)
}

impl<D: Device> Dispatch for Ticks<D> {
    fn dispatch(&mut self) -> io::Result<()> {
        self.ticker.dispatch(|| try_tick(&self.port))
    }

    /// Always: no peer is owed anything.
    fn is_settled(&self) -> bool {
        true
    }
}

impl<D: Device> AsFd for Ticks<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ticker.as_fd()
    }
}

type Step<D> = fn(&mut vuart_kvm::Collector<Coalescing>, &mut Sink<'_, D>) -> Ticked;

impl<D: Device> Drop for Ticks<D> {
    fn drop(&mut self) {
        let Some(port) = self.port.upgrade() else { return };
        // This waits for a vCPU that is inside. None waits longer for this than for a tick.
        let inside = |step: Step<D>| {
            let mut ticked = Ticked::GONE;
            port.write_with(|it| {
                let (result, output) = it.tick(step);
                ticked = result;
                output
            });
            ticked
        };
        if self.ticker.finish(inside(|collector, sink| collector.close(sink))) {
            let _ = inside(|collector, sink| collector.tick(sink));
        }
    }
}
