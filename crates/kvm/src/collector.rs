//! The device's side: it drains before each access, and begins and ends the zone.
//!
//! # What holds
//!
//! The collector is behind the device's lock. So are the device, the end of the page that is read, and the zone's [`State`]. The vCPUs wait
//! for the lock. The [ticker's](crate::Ticker) thread only tries it, and makes no system call inside.
//!
//! 1. *Order.* Each access drains first, under the same lock. A vCPU's own writes are in the page before its next exit. So the device gets
//!    them before that vCPU's next access. Those of another vCPU that come after the drain are concurrent with the access.
//! 2. *No byte stays behind.* While the zone is not [off](State::Off), the timer runs, or its tick is being worked off. A tick that finds that
//!    no vCPU has been here since the tick before drains, and so does each access. If the ticker's thread finds the lock taken, it leaves
//!    the bytes. Then a vCPU is inside. A tick after the end of that access finds the lock free, or taken by an access that began later and
//!    has drained.
//! 3. *Off means empty.* The state becomes off only by a drain that comes after the end of a call that unregistered the zone. On a vCPU
//!    that is program order. If the ticker's thread made the call, [`Shared::removal`] tells: stored with Release after the call, and loaded
//!    with Acquire before the drain.
//! 4. *A zone is registered only while no removal is under way.* Otherwise a call of the ticker's thread, delayed by the host, could remove a later
//!    zone, and the state would not tell.
//! 5. *The end of deferring.* An access that makes writes visible returns to the guest only after a call that unregisters has returned on
//!    this thread, also if the ticker's thread is about to do the same. So each later write of this vCPU is an exit.
//!
//! # Who waits for whom
//!
//! A vCPU waits for another vCPU's access, as at any shared device. It waits for the ticker's thread only if it comes back, after a
//! time without any access that is longer than a tick, within the moment in which that thread drains: a copy of 169 bytes at the most
//! (on a kernel with pages of 4096 bytes) and no system call. If the host takes the processor from the ticker's thread within that moment, the vCPU waits
//! until the host gives it back. While a guest prints or polls, its accesses drain and its ticks are left to it, so the ticker's thread
//! does not even try the lock.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::kernel::Kernel;
use crate::sync::{AtomicBool, AtomicU8, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::ticker::{Ticker, Timer};

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Register the zone.
    Register,
    /// Unregister it.
    Unregister,
}

/// Decides when the zone is registered. `vuart::coalescing::Coalescing` is one.
///
/// A policy that has asked for a change counts it as done, until it is told that it has [failed](Self::failed).
pub trait Policy: fmt::Debug + Send {
    /// There was an access. `written` writes have come since the last call, and `defers` says whether the device defers now.
    fn accessed(&mut self, written: usize, defers: bool) -> Option<Change>;
    /// A tick has passed, after which `written` writes were drained.
    fn ticked(&mut self, written: usize) -> Option<Change>;
    /// The kernel has refused the change.
    fn failed(&mut self, change: Change);
}

/// Where the collected writes go: the device, whose lock the caller holds.
pub trait Output {
    /// Takes writes that were collected, oldest first.
    fn output(&mut self, bytes: &[u8]);
    /// Whether the guest can't tell when its writes arrive, as long as they come in order and before any other access.
    fn defers(&self) -> bool;
}

/// What a collector and its ticker share. No lock.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) kernel: Box<dyn Kernel>,
    pub(crate) timer: Timer,
    /// Ticks that nobody has worked off.
    ///
    /// Relaxed everywhere: it says who drains, and nothing is published by it. A wrong guess costs one tick, or one try of the lock.
    pub(crate) ticks: AtomicU32,
    /// How far a removal by the ticker's thread is. It begins under the device's lock.
    pub(crate) removal: AtomicU8,
    /// Somebody dispatches the ticker, so that the last bytes come out. Relaxed: set once, at no particular time, and cleared under
    /// the device's lock.
    pub(crate) is_dispatched: AtomicBool,
}

pub(crate) mod removal {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const UNDER_WAY: u8 = 1;
    pub(crate) const DONE: u8 = 2;
    pub(crate) const FAILED: u8 = 3;
}

impl Shared {
    /// Removes the zone on the ticker's thread, which has asked under the lock and holds it no more.
    pub(crate) fn remove(&self) {
        let outcome = match self.kernel.unregister() {
            Ok(()) => removal::DONE,
            Err(_) => removal::FAILED,
        };
        // Release: pairs with the Acquire in `enter`. What the kernel added before the call's end is seen by the drain after that.
        self.removal.store(outcome, Release);
    }
}

/// The zone, as the collector knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not registered, and the page is empty.
    Off,
    /// It is registered.
    On,
    /// The ticker's thread unregisters it, or has done so. Writes may be in the page.
    Leaving,
}

/// What the ticker is to do after it has been inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Ticked(pub(crate) Next);

impl Ticked {
    /// The device is gone: no more ticks.
    pub const GONE: Self = Self(Next::Rest);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The zone is off: no more ticks.
    Rest,
    /// Tick again.
    Tick,
    /// Unregister the zone, without the lock, and tick again.
    Remove,
}

/// The device's side. It belongs behind the lock that each access of the device takes. `collector.rs` has the rules and why they suffice.
///
/// The caller [enters](Self::enter) before each access, and [leaves](Self::leave) after it, both under that lock.
#[derive(Debug)]
pub struct Collector<P> {
    shared: Arc<Shared>,
    policy: P,
    state: State,
    closed: bool,
}

/// Makes a collector for a device's lock, and the ticker for an event loop.
///
/// # Errors
///
/// No timer could be made.
pub fn collector<P: Policy>(kernel: Box<dyn Kernel>, policy: P) -> io::Result<(Collector<P>, Ticker)> {
    let shared = Arc::new(Shared {
        kernel,
        timer: Timer::new()?,
        ticks: AtomicU32::new(0),
        removal: AtomicU8::new(removal::NONE),
        is_dispatched: AtomicBool::new(false),
    });
    let ticker = Ticker::new(Arc::clone(&shared))?;
    Ok((Collector { shared, policy, state: State::Off, closed: false }, ticker))
}

impl<P: Policy> Collector<P> {
    /// Begins an access: hands what was collected to `output`. Returns how many bytes that were.
    pub fn enter(&mut self, output: &mut impl Output) -> usize {
        if self.state == State::Off {
            return 0;
        }
        // Acquire, and before the drain: see `Shared::remove`.
        let removal =
            if self.state == State::Leaving { self.shared.removal.load(Acquire) } else { removal::NONE };
        let drained = self.drain(output);
        match removal {
            removal::DONE => self.state = State::Off,
            removal::FAILED => self.refused(),
            _ => {}
        }
        drained
    }

    /// Ends an access, in which, with the drain before it, `written` writes came. Registers or unregisters the zone if the policy says so.
    pub fn leave(&mut self, output: &mut impl Output, written: usize) {
        if !self.shared.is_dispatched.load(Relaxed) {
            if self.state != State::Off {
                self.unregister(output);
            }
            return;
        }
        let defers = output.defers();
        // Acquire: a call that registers comes after the removal in the kernel as well.
        if defers && self.shared.removal.load(Acquire) == removal::UNDER_WAY {
            // The policy could ask to register. What comes now is not counted: the next run begins after it.
            return;
        }
        if self.state == State::Leaving && !defers {
            self.unregister(output);
        }
        let mut change = self.policy.accessed(written, defers);
        // Only a zone has ticks.
        let mut ticks = if self.state == State::Off { 0 } else { self.take_ticks() };
        while ticks > 0 && change.is_none() {
            change = self.policy.ticked(0);
            ticks -= 1;
        }
        match change {
            Some(Change::Register) => self.register(output),
            Some(Change::Unregister) => self.unregister(output),
            None => {}
        }
    }

    /// Works off ticks that no vCPU has taken, on the ticker's thread, which has the lock.
    ///
    /// It makes no system call. [`Ticker::dispatch`] wants its answer.
    pub fn tick(&mut self, output: &mut impl Output) -> Ticked {
        let written = self.enter(output);
        let ticks = self.take_ticks();
        Ticked(match self.state {
            State::Off => Next::Rest,
            State::Leaving => Next::Tick,
            State::On => {
                let mut change = self.policy.ticked(written);
                for _ in 1..ticks {
                    change = change.or_else(|| self.policy.ticked(0));
                }
                match change {
                    Some(Change::Unregister) => self.depart(),
                    _ => Next::Tick,
                }
            }
        })
    }

    /// Says that nobody will dispatch the ticker any more. Returns what is left to do without the lock.
    pub fn close(&mut self, output: &mut impl Output) -> Ticked {
        self.closed = true;
        self.shared.is_dispatched.store(false, Relaxed);
        self.enter(output);
        Ticked(if self.state == State::Off { Next::Rest } else { self.depart() })
    }

    /// Whether it was [closed](Self::close), and KVM has nothing for it any more. Then another may have the device.
    pub fn is_closed(&self) -> bool {
        self.state == State::Off && self.closed
    }

    /// Ends it for good, before the device goes: unregisters the zone and hands the last writes to `output`.
    pub fn finish(&mut self, output: &mut impl Output) {
        if self.state != State::Off {
            // Whatever it says: nobody could try again.
            let _ = self.shared.kernel.unregister();
            self.drain(output);
            self.state = State::Off;
        }
    }

    /// Whether it takes the zone for registered, for a model. While the ticker's thread removes it, either may be true.
    #[cfg(test)]
    pub(crate) fn is_registered(&self) -> Option<bool> {
        (self.state != State::Leaving).then_some(self.state == State::On)
    }

    fn take_ticks(&self) -> u32 {
        // Most accesses find none, and a load is cheaper than a swap.
        if self.shared.ticks.load(Relaxed) == 0 { 0 } else { self.shared.ticks.swap(0, Relaxed) }
    }

    /// Lets the ticker's thread remove the zone.
    fn depart(&mut self) -> Next {
        self.state = State::Leaving;
        // Relaxed: only threads that have the lock act on it.
        self.shared.removal.store(removal::UNDER_WAY, Relaxed);
        Next::Remove
    }

    fn register(&mut self, output: &mut impl Output) {
        if self.shared.kernel.register().is_err() {
            return self.policy.failed(Change::Register);
        }
        self.state = State::On;
        self.shared.ticks.store(0, Relaxed);
        if self.shared.timer.arm().is_err() {
            // Without ticks the last bytes would stay.
            self.unregister(output);
            if self.state == State::Off {
                self.policy.failed(Change::Register);
            }
        }
    }

    fn unregister(&mut self, output: &mut impl Output) {
        if self.shared.kernel.unregister().is_err() {
            return self.refused();
        }
        // What came until the call's end.
        self.drain(output);
        self.state = State::Off;
    }

    /// The zone could not be unregistered: it is there, and so are its ticks.
    fn refused(&mut self) {
        self.state = State::On;
        self.policy.failed(Change::Unregister);
    }

    /// Hands over what was collected. What is added meanwhile may stay, so that no other vCPU keeps this one here.
    fn drain(&mut self, output: &mut impl Output) -> usize {
        let mut bytes = [0; 256];
        let mut rest = self.shared.kernel.capacity();
        let mut total = 0;
        while rest > 0 {
            let room = rest.min(bytes.len());
            let count = self.shared.kernel.take(&mut bytes[..room]).min(room);
            if count > 0 {
                output.output(&bytes[..count]);
                total += count;
            }
            if count < room {
                break;
            }
            rest -= room;
        }
        total
    }
}
