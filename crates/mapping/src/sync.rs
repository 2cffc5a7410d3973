//! The words and the memory that they are in: `std`'s atomics in mapped memory; with `--cfg loom` a model's, in ordinary memory.

#[cfg(loom)]
mod boxed;
#[cfg(not(loom))]
mod mapped;

#[cfg(not(loom))]
pub(crate) use {mapped::Memory, std::sync::atomic::AtomicU64};

#[cfg(loom)]
pub(crate) use {boxed::Memory, vuart_explore::AtomicU64};
