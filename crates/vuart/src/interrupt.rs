//! How a port interrupts its guest: what a VMM has, and what to give to [`SerialPort::new`](crate::SerialPort::new).
//!
//! The port tells of each rise of its interrupt line by a call of its [`Trigger`]. [`IntoTrigger`] is all that can become one: an eventfd,
//! a closure, or a `Trigger` that the VMM has already.
//!
//! | your VMM has | use |
//! |---|---|
//! | KVM's irqfd, an edge (IRQ 4 of a PC) | the eventfd: `SerialPort::new(irq)`, or [`IrqFd::new`](crate::IrqFd::new), which makes one |
//! | KVM's irqfd, a level (PCI `INTx`, a GIC's SPI) | the same, and a [`ResampleFd`](crate::level::ResampleFd) |
//! | an interrupt controller of its own, an edge | a closure: `SerialPort::new(move \|\| pic.pulse(4))` |
//! | an interrupt controller of its own, a level | a [`LevelLine`](crate::level::LevelLine) |
//! | `KVM_IRQ_LINE` | a closure that sets the line low, and then high |
//! | a `vm_superio::Trigger`, such as Firecracker's `EventFdTrigger` | that, as it is |
//! | Cloud Hypervisor's `Arc<dyn InterruptSourceGroup>` | a closure: `SerialPort::new(move \|\| interrupt.trigger(0))` |
//! | crosvm's `IrqEdgeEvent` | a closure: `SerialPort::new(move \|\| irq.trigger())` |
//! | an MSI or MSI-X | a closure that sends it |
//! | several of these, chosen at run time | [`Callback::boxed`], whose type has a name: [`BoxedCallback`] |
//!
//! ```
//! use std::io;
//! use std::sync::Arc;
//! use vuart::interrupt::{BoxedCallback, Callback};
//! use vuart::{EventFd, IrqFd, SerialPort, Trigger};
//! # struct EventFdTrigger; impl Trigger for EventFdTrigger { type E = io::Error; fn trigger(&self) -> io::Result<()> { Ok(()) } }
//! # trait InterruptSourceGroup: Send + Sync { fn trigger(&self, _: u32) -> io::Result<()>; }
//! # struct Group; impl InterruptSourceGroup for Group { fn trigger(&self, _: u32) -> io::Result<()> { Ok(()) } }
//! # struct Pic; impl Pic { fn pulse(&self, _: u32) {} } let pic = Pic;
//! # let interrupt: Arc<dyn InterruptSourceGroup> = Arc::new(Group);
//! # let trigger = EventFdTrigger;
//! let port: SerialPort<IrqFd> = SerialPort::new(EventFd::new(0)?);
//! let port: SerialPort<EventFdTrigger> = SerialPort::new(trigger);
//! let port = SerialPort::new(move || pic.pulse(4)); // a closure that can't fail
//! let port = SerialPort::new(move || interrupt.trigger(0)); // or can
//!
//! // A port in a struct of the VMM needs a type with a name:
//! struct Devices { com1: SerialPort<BoxedCallback> }
//! let devices = Devices { com1: SerialPort::new(Callback::boxed(|| Ok(()))) };
//! # drop((port, devices.com1)); Ok::<(), io::Error>(())
//! ```
//!
//! # What a trigger may do
//!
//! It is called by the vCPU's thread within an access, and by the thread that types for a client or hangs up. It must not block, because
//! that thread may serve all clients. It must not access the port, which a vCPU's thread is inside of. It may use the console.
//!
//! # A trigger that fails
//!
//! The guest's access succeeds all the same, and the port goes on and calls the trigger at the next rise. Each failure is counted
//! ([`PortCounters::interrupts_failed`](crate::PortCounters::interrupts_failed)), and nothing is logged: a logger may block, and the guest
//! would wait for it. A [`Meter`](crate::Meter) reads the count on another thread, which may log it. A VMM that wants the error itself
//! keeps it in its trigger. The port does not try again: an eventfd whose counter is full is readable, so the guest gets that interrupt.

use std::fmt;
use std::io;

pub use vm_superio::Trigger;
use vmm_sys_util::eventfd::EventFd;

use crate::irqfd::IrqFd;

/// A closure as a [`Trigger`]. [`SerialPort::new`](crate::SerialPort::new) makes one of each closure that it is given.
///
/// The closure returns `()`, or a `Result<(), E>` if it can fail.
#[derive(Clone, Copy)]
pub struct Callback<F>(F);

/// A [`Callback`] whose type can be written down: in a struct, or where the interrupt is chosen at run time.
pub type BoxedCallback = Callback<Box<dyn Fn() -> io::Result<()> + Send + Sync>>;

impl<F> Callback<F> {
    /// Makes a trigger that calls `f`.
    pub fn new<R: Outcome>(f: F) -> Self
    where
        F: Fn() -> R,
    {
        Self(f)
    }
}

impl BoxedCallback {
    /// Makes a trigger of one type, whatever `f` is.
    pub fn boxed(f: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(f))
    }
}

impl<F: Fn() -> R, R: Outcome> Trigger for Callback<F> {
    type E = R::Error;

    fn trigger(&self) -> Result<(), R::Error> {
        (self.0)().into_result()
    }
}

impl<F> fmt::Debug for Callback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

/// What a closure that interrupts the guest may return: `()`, or a `Result<(), E>`.
pub trait Outcome {
    /// What goes wrong.
    type Error: fmt::Debug;

    /// Whether the guest was interrupted.
    ///
    /// # Errors
    ///
    /// When it was not.
    fn into_result(self) -> Result<(), Self::Error>;
}

impl Outcome for () {
    type Error = std::convert::Infallible;

    fn into_result(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<E: fmt::Debug> Outcome for Result<(), E> {
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// What [`SerialPort::new`](crate::SerialPort::new) and [`PortBuilder`](crate::PortBuilder) take as the guest's interrupt: a
/// [`Trigger`], a closure, or an [`EventFd`].
///
/// `Kind` says which of the three it is. The compiler finds it; there is nothing to write. (A trait that is implemented for all triggers
/// and for all closures would not be allowed, because a type might be both.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the interrupt of a port",
    label = "neither a `vm_superio::Trigger` nor an `EventFd` nor a closure that returns `()` or `Result<(), E>`",
    note = "wrap it in a closure: `SerialPort::new(move || irq.raise())`"
)]
pub trait IntoTrigger<Kind> {
    /// The trigger that the port has then: see [`SerialPort::trigger`](crate::SerialPort::trigger).
    type Trigger: Trigger;

    /// Makes the trigger.
    fn into_trigger(self) -> Self::Trigger;
}

/// The kinds of [`IntoTrigger`].
pub mod kind {
    use std::marker::PhantomData;

    /// It is a [`Trigger`](super::Trigger) itself.
    #[derive(Debug)]
    pub struct Itself;

    /// It is a closure that returns `R`.
    #[derive(Debug)]
    pub struct Closure<R>(PhantomData<R>);

    /// It is an eventfd.
    #[derive(Debug)]
    pub struct Eventfd;
}

impl<T: Trigger> IntoTrigger<kind::Itself> for T {
    type Trigger = T;

    fn into_trigger(self) -> T {
        self
    }
}

impl<F: Fn() -> R, R: Outcome> IntoTrigger<kind::Closure<R>> for F {
    type Trigger = Callback<F>;

    fn into_trigger(self) -> Callback<F> {
        Callback(self)
    }
}

impl IntoTrigger<kind::Eventfd> for EventFd {
    type Trigger = IrqFd;

    fn into_trigger(self) -> IrqFd {
        IrqFd(self)
    }
}
