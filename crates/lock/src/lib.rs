//! A lock for data to which several threads come, but mostly one at a time for a while: that one takes it with loads and
//! stores alone, where a mutex costs two read-modify-writes although nobody else wants it.
//!
//! It is for the vCPUs that share a serial port. A console is written by one vCPU for a line or for seconds, then by another.
//!
//! ```
//! use vuart_lock::BiasedLock;
//!
//! let lock = BiasedLock::new(0);
//! std::thread::scope(|scope| {
//!     for _ in 0..2 {
//!         scope.spawn(|| (0..1000).for_each(|_| lock.with(|sum| *sum += 1)));
//!     }
//! });
//! assert_eq!(lock.with(|sum| *sum), 2000);
//! ```
//!
//! # Protocol
//!
//! Each thread has a *token*, a number that is never used again. Whoever holds the *arbiter*, a mutex, may use the data, unless
//! another thread has the *bias*. A thread earns the bias by 64 accesses in a row with the arbiter; it takes a *slot* for itself,
//! for good, and stores both into `owner`. From then on it comes by the left column, until another comes by the right.
//!
//! ```text
//! the thread with the bias                        another, which holds the arbiter
//! F1  owner.load() is mine? else the other way    V1  owner.store(nobody)
//! F2  my slot says inside? panic                  V2  the heavy half of the barrier
//! F3  slot.store(inside)                          V3  until that slot does not say inside (acquire):
//! F4  the light half of the barrier                       spin; then, under `waits`, look and sleep
//! F5  owner.load() is still mine? else F6, F7,    V4  use the data
//!     and the other way                           V5  store into owner, if that was the 64th in a row
//!     use the data                                V6  leave the arbiter
//! F6  slot.store(outside, release)
//! F7  the light half again;
//!     owner.load() is mine? else, under `waits`, wake who sleeps
//! ```
//!
//! The light half is a compiler fence: no instruction. The heavy half is `membarrier(2)`, which makes each thread of the process
//! that runs pass a full barrier at some moment of its own, between the beginning of the call and its end.
//!
//! # Why one is inside, and sees what others did
//!
//! *By the arbiter* two threads exclude each other, and see each other's work, as with any mutex. A thread has the bias by a
//! store of its own into `owner` (V5), made when it held the arbiter; so it has seen what others had done. While it has the bias nobody
//! else uses the data, unless by V1 to V4.
//!
//! *The bias against the arbiter.* Let B have the bias and A take it away, and let B's moment be where V2 has it pass a barrier.
//! No step of B is on both sides of it, and the compiler fences keep F3, F5 and the use in order, and F6 and F7.
//!
//! * B's F3 is before the moment. It is visible at V3, or something that B stored later. Whatever V3 ends with is a store of F6 (or
//!   of the slot's first taking, V5). It is a release after all that B did, and V3's acquire sees that; and B's next F5, if there is one, is after
//!   the moment.
//! * B's F3 is after the moment. So is F5, and V1 was visible before: F5 does not find B. Nor does a later one: B would
//!   have to come by the arbiter, which A holds, to be the owner again. What B did inside before that was before the moment, or there
//!   would be an F5 after it that found B.
//!
//! So when A is at V4, B is not inside and will not be before it has had the arbiter.
//!
//! *A thread that was delayed* between F1 and F3, as long as you like, stores into its slot when others have the bias. Nobody
//! waits for that slot, or he waits in vain until B has come to F6: F5 fails, and B wakes him. A slot is never given
//! to another thread, because that one's "inside" would be overwritten by this. (A thread that has ended stores nothing any more, but to
//! know of it would need a destructor. 64 slots are as many vCPUs; threads that find none use the arbiter.)
//!
//! *Tokens* are never used again, so `owner` can't be B's again without B's doing. 2<sup>56</sup> last for two years at one a nanosecond.
//!
//! # Why nobody sleeps for ever
//!
//! Only one waits in V3: it holds the arbiter. It sleeps if, under `waits`, it has seen "inside" after V2. By the barrier again, with F6 and F7 in
//! place of F3 and F5: that F6 is before B's moment, then V3 sees it; or after, then F7 finds that B is no more the owner. B then takes `waits`. If
//! that is before A looked, A sees F6; if after, A sleeps already, and is woken. A thread whose F5 fails goes the same way.
//!
//! Those who wait for the arbiter wait for one who sleeps, at most, and the biased one needs no arbiter to leave.
//!
//! # Without `membarrier(2)`
//!
//! A lock that is [without](BiasedLock::without_membarrier), or finds that there is none, has no bias and is a mutex. Fences in its place would
//! do, and loom's models have them; but an access would make two, and a mutex's two read-modify-writes are no dearer.
//!
//! If it is refused later, by a filter that was installed meanwhile, A waits for 10 ms in its place, once, and there is no bias
//! from then on. That rests on a time: what B stored before V1 was visible to it has left its store buffer by then. A filter that kills
//! must allow `membarrier` with `MEMBARRIER_CMD_PRIVATE_EXPEDITED` (8) to those who come, with
//! `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED` (16) to the one that makes the lock, and `futex`; or let the lock be without.
//!
//! # Misuse
//!
//! *A thread that comes again while it is inside* panics: with the bias F2 sees it; without, and also when the bias is being taken away,
//! it does not get the arbiter at once, and looks for its own token before it waits. The bias is given after the use, not before, so
//! that a thread inside by the arbiter can't come by F1.
//!
//! *A panic inside* leaves the lock free. There is no poison: what is shared here is used on after any error, and each access of a port
//! leaves it in a state from which it can.
//!
//! # What was checked, and what it finds
//!
//! `models/concurrent.rs` has `loom` explore the code, with fences for the barrier, among two and three threads; Miri tries the same. A model
//! of a machine with store buffers (`models/store_buffers.rs`) goes through all states with `membarrier(2)`, and names what happens
//! when any part is left out.
//!
//! `.ci/weaken` weakens the code in one place at a time, and `loom` has to find each:
//!
//! | weakening | `loom` |
//! |---|---|
//! | F3 left out | found |
//! | F3 after F5 | found |
//! | F4 missing | found |
//! | F5 left out | found |
//! | F5 that fails, and goes on without F7 | found |
//! | F6 relaxed | found |
//! | F7 left out | found |
//! | F7 before F6 | found |
//! | F7 without its barrier | found |
//! | V1 left out | found |
//! | V1 after V2 | found |
//! | V2 left out | found |
//! | V3 left out | found |
//! | V3 relaxed | found |
//! | V3 whose last look is before it has `waits` | found |
//! | light half acquire and release only | found |
//! | heavy half acquire and release only | found |
//! | one slot for all threads | found |
//!
//! The bias given before the use is found by `tests/threads.rs`.

#![deny(clippy::multiple_unsafe_ops_per_block)]

mod arbiter;
mod barrier;
mod biased;
#[cfg(test)]
mod models;
mod sync;
mod token;

pub use biased::BiasedLock;
