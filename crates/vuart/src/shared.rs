//! A port that several vCPUs access.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use vm_superio::Trigger;
use vuart_scrollback::Doorbell;

use crate::mmio::MmioPort;
use crate::port::{Ring, SerialPort};

/// A [`SerialPort`] that several vCPUs access.
pub type SharedPort<T> = Shared<SerialPort<T>>;

/// An [`MmioPort`] that several vCPUs access.
pub type SharedMmioPort<T> = Shared<MmioPort<T>>;

/// A device that several vCPUs access: a handle, cheap to clone. It is a device of `vm-device`'s buses.
///
/// ```
/// # use vuart::{SerialPort, SharedPort, uart::spec::offset};
/// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
/// let port = SharedPort::new(SerialPort::new(Irq)?);
/// let console = port.with(|port| port.console().clone());
/// let vcpus = [port.clone(), port].map(|port| {
///     std::thread::spawn(move || port.write(offset::THR.into(), b"A"))
/// });
/// vcpus.into_iter().for_each(|vcpu| vcpu.join().expect("a vCPU"));
/// assert_eq!(console.scrollback().end(), 2);
/// # Ok::<(), vuart::NewPortError>(())
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

impl<D> Shared<D> {
    fn of(device: D, doorbell: Doorbell) -> Self {
        let holder = AtomicUsize::new(NO_THREAD);
        Self(Arc::new(Lock { holder, device: Mutex::new(device), doorbell }))
    }

    /// Works with the device while no vCPU does: takes its state, drives a modem line.
    ///
    /// The vCPUs wait meanwhile. Use it for short work, or while they are paused.
    ///
    /// # Panics
    ///
    /// Panics if the calling thread is inside the port already: within another `with`, or in the [`Trigger`].
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        self.0.with(f)
    }

    /// Makes an access that does not ring for its output, and rings after it. The access returns whether there was output.
    #[inline]
    fn write_with(&self, access: impl FnOnce(&mut D) -> bool) {
        // Dropped after the mutex is unlocked.
        let mut ring = RingOnDrop { doorbell: &self.0.doorbell, due: true };
        ring.due = self.0.with(access);
    }
}

/// Rings when it is dropped, if that is due. It is due when a trigger panics, too: the access may have pushed output before.
struct RingOnDrop<'a> {
    doorbell: &'a Doorbell,
    due: bool,
}

impl Drop for RingOnDrop<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.due {
            self.doorbell.ring_if_armed_after_unlock();
        }
    }
}

/// A mutex that panics where a thread would wait for itself.
struct Lock<D> {
    /// The thread that holds `device`, by its [token], or [`NO_THREAD`].
    holder: AtomicUsize,
    device: Mutex<D>,
    /// The console's.
    doorbell: Doorbell,
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
        let doorbell = port.console().doorbell().clone();
        Self::of(port, doorbell)
    }

    /// [`SerialPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.with(|port| port.read(offset, data));
    }

    /// [`SerialPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.write_with(|port| port.write_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_string`].
    pub fn read_string(&self, offset: u64, data: &mut [u8]) {
        self.with(|port| port.read_string(offset, data));
    }

    /// [`SerialPort::write_string`].
    pub fn write_string(&self, offset: u64, data: &[u8]) {
        self.write_with(|port| port.write_string_and_ring(offset, data, Ring::Caller));
    }

    /// [`SerialPort::read_register`].
    pub fn read_register(&self, register: u8) -> u8 {
        self.with(|port| port.read_register(register))
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
    /// # struct Irq; impl vm_superio::Trigger for Irq { type E = (); fn trigger(&self) -> Result<(), ()> { Ok(()) } }
    /// let port = SharedMmioPort::new(MmioPort::new(SerialPort::new(Irq)?, 2));
    /// let mut lsr = [0; 4];
    /// port.read(5 << 2, &mut lsr);
    /// assert_eq!(lsr, [0x60, 0, 0, 0]);
    /// # Ok::<(), vuart::NewPortError>(())
    /// ```
    pub fn new(port: MmioPort<T>) -> Self {
        let doorbell = port.port().console().doorbell().clone();
        Self::of(port, doorbell)
    }

    /// [`MmioPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.with(|port| port.read(offset, data));
    }

    /// [`MmioPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.write_with(|port| port.write_and_ring(offset, data, Ring::Caller));
    }
}
