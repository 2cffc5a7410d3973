//! The words: `core`'s atomics, or with `--cfg loom` a model's.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::AtomicU64;

#[cfg(loom)]
pub(crate) use vuart_explore::AtomicU64;
