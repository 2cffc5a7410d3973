//! A port that several vCPUs access.

mod lock;

use std::sync::Arc;

use vm_superio::Trigger;
use vuart_16550::spec::Msr;
use vuart_endpoint::Console;

use crate::level::InterruptLevel;
use crate::metrics::{Meter, PortCounters};
use crate::mmio::MmioPort;
use crate::port::{Ring, SerialPort};
use crate::state::PortState;

use lock::Lock;

/// A [`SerialPort`] that several vCPUs access.
pub type SharedPort<T> = Shared<SerialPort<T>>;

/// An [`MmioPort`] that several vCPUs access.
pub type SharedMmioPort<T> = Shared<MmioPort<T>>;

/// A device that several vCPUs access: a handle, cheap to clone. It is a device of `vm-device`'s buses.
///
/// ```
/// # use vuart::{SerialPort, SharedPort, uart::spec::offset};
/// let port = SharedPort::new(SerialPort::new(|| ()));
/// let console = port.console();
/// let vcpus = [port.clone(), port].map(|port| {
///     std::thread::spawn(move || port.write(offset::THR.into(), b"A"))
/// });
/// vcpus.into_iter().for_each(|vcpu| vcpu.join().expect("a vCPU"));
/// assert_eq!(console.scrollback().end(), 2);
/// ```
///
/// The device is behind a [`std::sync::Mutex`]. Only vCPU threads take it, and other threads while the vCPUs are paused. All other
/// work with the port goes through its [console](vuart_endpoint::Console), which is not behind the mutex. So a vCPU waits here only
/// for another vCPU's access.
///
/// The guest's writes ring the doorbell of the console after the mutex is unlocked:
/// [`Doorbell::ring_if_armed_after_unlock`](vuart_scrollback::Doorbell::ring_if_armed_after_unlock) says why that needs no second
/// barrier on x86-64. What is done within [`with`](Self::with) rings it in place, as a port does that is not shared.
///
/// A panic inside an access does not poison the port: the guest goes on, because each register still holds a value that it can hold.
///
/// # Panics
///
/// An access panics if its own thread is inside the port already, because it would otherwise wait for itself for ever. Two mistakes
/// lead there: a [`Trigger`] that accesses the port which it interrupts for, and an access from within [`with`](Self::with) by way
/// of another handle.
#[derive(Debug)]
pub struct Shared<D>(Arc<Lock<D>>);

impl<D> Clone for Shared<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(crate) mod device {
    use vm_superio::Trigger;
    use vuart_scrollback::Doorbell;

    use crate::port::SerialPort;

    /// What [`Shared`](super::Shared) holds: a port, in port I/O or in memory.
    pub trait Device {
        /// The port's trigger.
        type Trigger: Trigger;

        #[doc(hidden)]
        fn the_port(&self) -> &SerialPort<Self::Trigger>;

        #[doc(hidden)]
        fn the_port_mut(&mut self) -> &mut SerialPort<Self::Trigger>;

        #[doc(hidden)]
        fn doorbell(&self) -> &Doorbell {
            self.the_port().console().doorbell()
        }
    }
}

use device::Device;

impl<T: Trigger> Device for SerialPort<T> {
    type Trigger = T;

    fn the_port(&self) -> &SerialPort<T> {
        self
    }

    fn the_port_mut(&mut self) -> &mut SerialPort<T> {
        self
    }
}

impl<T: Trigger> Device for MmioPort<T> {
    type Trigger = T;

    fn the_port(&self) -> &SerialPort<T> {
        self.port()
    }

    fn the_port_mut(&mut self) -> &mut SerialPort<T> {
        self.port_mut()
    }
}

impl<D: Device> Shared<D> {
    pub(crate) fn of(device: D) -> Self {
        Self(Arc::new(Lock::new(device)))
    }

    /// Works with the device while no vCPU does: takes its state, drives a modem line.
    ///
    /// The vCPUs wait meanwhile. Use it for short work, or while they are paused. It may also put another port into the place of
    /// this one, such as a restored one. [End](vuart_endpoint::Console::end) this one's console before that. The other port has a console
    /// of its own.
    ///
    /// # Panics
    ///
    /// Panics if the calling thread is inside the port already: within another `with`, or in the [`Trigger`].
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        self.0.with(|device| {
            let result = f(device);
            self.0.look_at(device);
            result
        })
    }

    /// The console. Take it before the vCPUs run: this call locks the port, and the handle does not.
    pub fn console(&self) -> Console {
        self.0.with(|device| device.the_port().console().clone())
    }

    /// [`SerialPort::interrupt_level`]. Take it before the vCPUs run: this call locks the port, and the handle does not.
    pub fn interrupt_level(&self) -> InterruptLevel {
        self.0.with(|device| device.the_port().interrupt_level())
    }

    /// [`SerialPort::meter`]. Take it before the vCPUs run: this call locks the port, and the handle does not.
    pub fn meter(&self) -> Meter {
        self.0.with(|device| device.the_port().meter())
    }

    /// [`SerialPort::counters`]. On other threads than vCPUs' use a [`meter`](Self::meter), which locks nothing of theirs.
    pub fn counters(&self) -> PortCounters {
        self.0.with(|device| device.the_port().counters())
    }

    /// [`SerialPort::interrupt`].
    pub fn interrupt(&self) -> bool {
        self.0.with(|device| device.the_port().interrupt())
    }

    /// [`SerialPort::defers_output`].
    pub fn defers_output(&self) -> bool {
        self.0.with(|device| device.the_port().defers_output())
    }

    /// [`SerialPort::state`]. Pause the vCPUs first.
    pub fn state(&self) -> PortState {
        self.0.with(|device| device.the_port().state())
    }

    /// [`SerialPort::reset`].
    pub fn reset(&self) -> u64 {
        self.0.with(|device| device.the_port_mut().reset())
    }

    /// [`SerialPort::mark_boot`].
    pub fn mark_boot(&self) -> u64 {
        self.0.with(|device| device.the_port_mut().mark_boot())
    }

    /// [`SerialPort::set_modem_inputs`].
    pub fn set_modem_inputs(&self, inputs: Msr) {
        self.0.with(|device| device.the_port_mut().set_modem_inputs(inputs));
    }

    /// Makes an access that does not ring for its output, and rings after it. The access returns whether there was output.
    #[inline]
    pub(crate) fn write_with(&self, access: impl FnOnce(&mut D) -> bool) {
        // Dropped after the mutex is unlocked.
        let mut ring = RingOnDrop { lock: &self.0, due: true };
        ring.due = self.0.with(access);
    }

    /// [`with`](Self::with), unless another thread is inside: then `None`. It never waits, and can't replace the device.
    #[cfg(feature = "kvm")]
    pub(crate) fn try_with<R>(&self, f: impl FnOnce(&mut D) -> R) -> Option<R> {
        self.0.try_with(f)
    }

    #[cfg(feature = "kvm")]
    pub(crate) fn downgrade(&self) -> WeakShared<D> {
        WeakShared(Arc::downgrade(&self.0))
    }
}

/// A handle that does not keep the device.
#[cfg(feature = "kvm")]
#[derive(Debug)]
pub(crate) struct WeakShared<D>(std::sync::Weak<Lock<D>>);

#[cfg(feature = "kvm")]
impl<D> WeakShared<D> {
    pub(crate) fn upgrade(&self) -> Option<Shared<D>> {
        self.0.upgrade().map(Shared)
    }
}

/// Rings when it is dropped, if that is due. It is due when a trigger panics, too: the access may have pushed output before.
struct RingOnDrop<'a, D: Device> {
    lock: &'a Lock<D>,
    due: bool,
}

impl<D: Device> Drop for RingOnDrop<'_, D> {
    #[inline]
    fn drop(&mut self) {
        if self.due {
            self.lock.ring();
        }
    }
}

impl<T: Trigger> Shared<SerialPort<T>> {
    /// Shares the port.
    pub fn new(port: SerialPort<T>) -> Self {
        Self::of(port)
    }

    /// [`SerialPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.0.with(|port| port.read(offset, data));
    }

    /// [`SerialPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.write_with(move |port| port.write_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_string`].
    pub fn read_string(&self, offset: u64, data: &mut [u8]) {
        self.0.with(|port| port.read_string(offset, data));
    }

    /// [`SerialPort::write_string`].
    pub fn write_string(&self, offset: u64, data: &[u8]) {
        self.write_with(move |port| port.write_string_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_register`].
    pub fn read_register(&self, register: u8) -> u8 {
        self.0.with(move |port| port.read_register(register))
    }

    /// [`SerialPort::write_register`].
    pub fn write_register(&self, register: u8, value: u8) {
        self.write_with(move |port| port.write_register_and_ring(register, value, Ring::Caller));
    }
}

impl<T: Trigger> Shared<MmioPort<T>> {
    /// Shares the port.
    ///
    /// ```
    /// # use vuart::{MmioPort, SerialPort, SharedMmioPort};
    /// let port = SharedMmioPort::new(MmioPort::new(SerialPort::new(|| ()), 2));
    /// let mut lsr = [0; 4];
    /// port.read(5 << 2, &mut lsr);
    /// assert_eq!(lsr, [0x60, 0, 0, 0]);
    /// ```
    pub fn new(port: MmioPort<T>) -> Self {
        Self::of(port)
    }

    /// [`MmioPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.0.with(|port| port.read(offset, data));
    }

    /// [`MmioPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.write_with(move |port| port.write_and_ring(offset, data, Ring::Caller));
    }
}
