//! The protocol under checkers.
//!
//! * `concurrent` runs threads beside each other, with fences for the barrier: under `loom`, in all ways that there are
//!   (`RUSTFLAGS="--cfg loom" cargo test --release --lib -p vuart-lock`), and under Miri, in some.
//! * `store_buffers` is a machine of its own, for what no checker knows: `membarrier(2)`.

#[cfg(any(loom, miri))]
mod concurrent;
#[cfg(not(any(loom, miri)))]
mod store_buffers;
