//! What the lock is made of: `std`'s, and `loom`'s when the models are built.

#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::{
    Condvar, Mutex,
    atomic::{AtomicU64, Ordering},
};

#[cfg(all(test, loom))]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// With the interface of `loom`'s, which sees accesses that overlap.
#[cfg(not(all(test, loom)))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(all(test, loom)))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(data: T) -> Self {
        Self(std::cell::UnsafeCell::new(data))
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
