//! A port that several vCPUs access.

use std::sync::Arc;

use vm_superio::Trigger;
use vuart_lock::BiasedLock;

use crate::mmio::MmioPort;
use crate::port::SerialPort;

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
/// The lock within is for the threads of vCPUs, and for moments in which these are paused; what others do at the port they do by its
/// [console](vuart_endpoint::Console), which is no part of it. So nobody waits here but for another vCPU's access.
///
/// As mostly one vCPU writes to a console for a while, the lock has a bias: a thread that has come 64 times in a row takes it
/// from then on without a read-modify-write, until another comes. That one makes a `membarrier(2)`, waits for an access that has
/// begun, and sleeps if the other is not about to end it; then the first wakes it, which is a system call (`futex`). A port whose
/// [`Options`](crate::Options) are without `membarrier` has a lock that is a plain mutex.
///
/// A [`Trigger`] that accesses the port which triggers it panics; so does whatever comes to it within [`with`](Self::with).
/// After a panic the port can be used on: each register holds something that it can hold.
#[derive(Debug)]
pub struct Shared<D>(Arc<BiasedLock<D>>);

impl<D> Clone for Shared<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D> Shared<D> {
    fn of(device: D, membarrier: bool) -> Self {
        let lock = if membarrier { BiasedLock::new } else { BiasedLock::without_membarrier };
        Self(Arc::new(lock(device)))
    }

    /// Does something with the device while no vCPU does: takes its state, drives a modem line.
    ///
    /// The vCPUs wait meanwhile: it is for what does not take long, or for a time when they are paused.
    ///
    /// # Panics
    ///
    /// If it is called from within itself or from the [`Trigger`].
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        self.0.with(f)
    }
}

impl<T: Trigger> Shared<SerialPort<T>> {
    /// The port, to be shared.
    pub fn new(port: SerialPort<T>) -> Self {
        let membarrier = port.console().doorbell().uses_membarrier();
        Self::of(port, membarrier)
    }

    /// [`SerialPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.with(|port| port.read(offset, data));
    }

    /// [`SerialPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.with(|port| port.write(offset, data));
    }

    /// [`SerialPort::read_string`].
    pub fn read_string(&self, offset: u64, data: &mut [u8]) {
        self.with(|port| port.read_string(offset, data));
    }

    /// [`SerialPort::write_string`].
    pub fn write_string(&self, offset: u64, data: &[u8]) {
        self.with(|port| port.write_string(offset, data));
    }

    /// [`SerialPort::read_register`].
    pub fn read_register(&self, register: u8) -> u8 {
        self.with(|port| port.read_register(register))
    }

    /// [`SerialPort::write_register`].
    pub fn write_register(&self, register: u8, value: u8) {
        self.with(|port| port.write_register(register, value));
    }
}

impl<T: Trigger> Shared<MmioPort<T>> {
    /// The port, to be shared.
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
        let membarrier = port.port().console().doorbell().uses_membarrier();
        Self::of(port, membarrier)
    }

    /// [`MmioPort::read`].
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        self.with(|port| port.read(offset, data));
    }

    /// [`MmioPort::write`].
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.with(|port| port.write(offset, data));
    }
}
