//! The atomics: `core`'s, or those of the models with `--cfg loom`.

pub(crate) use core::sync::atomic::Ordering;

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, fence};

#[cfg(loom)]
pub(crate) use vuart_explore::{AtomicU64, fence};

/// The longest slice, in bytes, that is written the short way: two FIFOs of a 16550A. It is less than a granule of the
/// smallest ring. Models have only a few bytes in a granule, and try both ways.
pub(crate) const SHORT: usize = if cfg!(any(loom, miri)) { 3 } else { 32 };

/// A sequentially consistent fence for a thread that has unlocked a mutex since its last store.
///
/// On x86-64 the unlock is a full barrier itself, and only the compiler has to be kept from moving the next load before it: see
/// [`ring_if_armed_after_unlock`](crate::Doorbell::ring_if_armed_after_unlock). `loom` and Miri check the language's memory model, which
/// knows nothing of that.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn fence_after_unlock() {
    if cfg!(all(target_arch = "x86_64", not(any(loom, miri)))) {
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}
