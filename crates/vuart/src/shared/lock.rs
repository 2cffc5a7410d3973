//! The lock around a device that several vCPUs access.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use vuart_scrollback::Doorbell;

use super::device::Device;

/// A mutex that panics where a thread would wait for itself.
pub(super) struct Lock<D> {
    /// The thread that holds `device`, by its [token], or [`NO_THREAD`].
    holder: AtomicUsize,
    device: Mutex<D>,
    /// The doorbell of the first device's console, to ring without the mutex.
    doorbell: Doorbell,
    /// Another device, with another console, has taken the first one's place.
    replaced: AtomicBool,
}

impl<D: Device> Lock<D> {
    pub(super) fn new(device: D) -> Self {
        let (holder, replaced) = (AtomicUsize::new(NO_THREAD), AtomicBool::new(false));
        let doorbell = device.doorbell().clone();
        Self { holder, device: Mutex::new(device), doorbell, replaced }
    }

    /// Notes whether another device has taken the first one's place. The caller is inside.
    pub(super) fn look_at(&self, device: &D) {
        if !device.doorbell().is_same(&self.doorbell) {
            // Relaxed: the mutex orders it before the next access.
            self.replaced.store(true, Relaxed);
        }
    }

    /// Rings for output, after the access that made it has unlocked the mutex.
    #[inline]
    pub(super) fn ring(&self) {
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
    /// Works with the device. Waits while another thread is inside, and panics if this thread is.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        let device = match self.device.try_lock() {
            Ok(device) => device,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return self.wait_and(f),
        };
        self.inside(device, f)
    }

    /// [`with`](Self::with), unless another thread is inside.
    #[cfg(feature = "kvm")]
    pub(super) fn try_with<R>(&self, f: impl FnOnce(&mut D) -> R) -> Option<R> {
        let device = match self.device.try_lock() {
            Ok(device) => device,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.inside(device, f))
    }

    #[inline]
    fn inside<R>(&self, mut device: MutexGuard<'_, D>, f: impl FnOnce(&mut D) -> R) -> R {
        // Cleared before the mutex is unlocked, also by a panic: `held` is dropped before `device`.
        let _held = Held::new(&self.holder);
        f(&mut device)
    }

    /// Waits for the other thread that is inside, and makes the access. The access is in here once more, so that the usual way has no
    /// values to keep for this one.
    #[cold]
    #[inline(never)]
    fn wait_and<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        self.panic_if_held_here();
        self.inside(self.device.lock().unwrap_or_else(PoisonError::into_inner), f)
    }

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
