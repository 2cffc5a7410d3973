//! A port that several vCPUs access.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use vm_superio::Trigger;
use vuart_16550::spec::Msr;
use vuart_endpoint::Console;
use vuart_scrollback::Doorbell;

use crate::level::InterruptLevel;
use crate::metrics::{Meter, PortCounters};
use crate::mmio::MmioPort;
use crate::port::{Ring, SerialPort};
use crate::state::PortState;

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
/// [`Doorbell::ring_if_armed_after_unlock`] says why that needs no second barrier on x86-64. What is done within
/// [`with`](Self::with) rings it in place, as a port does that is not shared.
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
        let (holder, replaced) = (AtomicUsize::new(NO_THREAD), AtomicBool::new(false));
        let doorbell = device.doorbell().clone();
        Self(Arc::new(Lock { holder, device: Mutex::new(device), doorbell, replaced }))
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
            if !device.doorbell().is_same(&self.0.doorbell) {
                // Relaxed: the mutex orders it before the next access.
                self.0.replaced.store(true, Relaxed);
            }
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

/// A mutex that panics where a thread would wait for itself.
struct Lock<D> {
    /// The thread that holds `device`, by its [token], or [`NO_THREAD`].
    holder: AtomicUsize,
    device: Mutex<D>,
    /// The doorbell of the first device's console, to ring without the mutex.
    doorbell: Doorbell,
    /// Another device, with another console, has taken the first one's place.
    replaced: AtomicBool,
}

impl<D: Device> Lock<D> {
    /// Rings for output, after the access that made it has unlocked the mutex.
    #[inline]
    fn ring(&self) {
        // Relaxed: the access came after the replacement, by the mutex.
        if self.replaced.load(Relaxed) {
            self.ring_another();
        } else {
            self.doorbell.ring_if_armed_after_unlock();
        }
    }

    #[cold]
    #[inline(never)]
    fn ring_another(&self) {
        self.with(|device| device.doorbell().ring_if_armed());
    }
}

impl<D> Lock<D> {
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        let mut device = match self.device.try_lock() {
            Ok(device) => device,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.panic_if_held_here();
                self.device.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        // Cleared before the mutex is unlocked, also by a panic: `held` is dropped before `device`.
        let held = Held::new(&self.holder);
        let result = f(&mut device);
        drop(held);
        result
    }

    /// [`with`](Self::with), unless another thread is inside.
    #[cfg(feature = "kvm")]
    fn try_with<R>(&self, f: impl FnOnce(&mut D) -> R) -> Option<R> {
        let mut device = match self.device.try_lock() {
            Ok(device) => device,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // As in `with`.
        let held = Held::new(&self.holder);
        let result = f(&mut device);
        drop(held);
        Some(result)
    }

    #[cold]
    #[inline(never)]
    fn panic_if_held_here(&self) {
        // Relaxed: only the thread itself stores its own token, so it sees that token exactly while it is inside.
        assert!(
            self.holder.load(Relaxed) != token(),
            "a thread accesses a shared port that it is inside of already: do not access the port from its own `Trigger`, nor from \
             within `Shared::with`; use the reference that `with` gives, or wake another thread"
        );
    }
}

impl<D> fmt::Debug for Lock<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the device: a vCPU may be inside.
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// Marks this thread as the holder until it is dropped.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    #[inline]
    fn new(holder: &'a AtomicUsize) -> Self {
        // Relaxed, here and in `drop`: see `panic_if_held_here`.
        holder.store(token(), Relaxed);
        Self(holder)
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(NO_THREAD, Relaxed);
    }
}

/// No token: nothing has the address 0.
const NO_THREAD: usize = 0;

/// A number that no other running thread has: the address of a variable of this thread.
#[inline]
fn token() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
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
        self.write_with(|port| port.write_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_string`].
    pub fn read_string(&self, offset: u64, data: &mut [u8]) {
        self.0.with(|port| port.read_string(offset, data));
    }

    /// [`SerialPort::write_string`].
    pub fn write_string(&self, offset: u64, data: &[u8]) {
        self.write_with(|port| port.write_string_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_register`].
    pub fn read_register(&self, register: u8) -> u8 {
        self.0.with(|port| port.read_register(register))
    }

    /// [`SerialPort::write_register`].
    pub fn write_register(&self, register: u8, value: u8) {
        self.write_with(|port| port.write_register_and_ring(register, value, Ring::Caller));
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
        self.write_with(|port| port.write_and_ring(offset, data, Ring::Caller));
    }
}
