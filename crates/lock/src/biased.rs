//! The lock. The steps in its comments are those of the crate's docs.

use std::fmt;
use std::hint;
use std::sync::{PoisonError, TryLockError};

use crate::arbiter::{Arbiter, EARNED};
use crate::barrier;
use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, UnsafeCell};
use crate::token::{SLOT_BITS, Token};

/// As many threads can ever have the bias; others find the lock a mutex.
const SLOTS: usize = if cfg!(all(test, loom)) { 3 } else { 64 };
const _: () = assert!(SLOTS <= 1 << SLOT_BITS);

/// In place of an owner. No token has these bits, and no slot this number.
const NOBODY: u64 = u64::MAX;

/// In a slot: its thread is inside, or about to be. (A slot is a word, because of a flag's byte what was stored is not handed
/// to the next load so quickly: an access took two nanoseconds more.)
const INSIDE: u64 = 1;
const _: () = assert!(INSIDE < 1 << SLOT_BITS);

/// About what a critical section of a register takes; the system call before it has taken longer.
const SPINS: u32 = if cfg!(any(miri, all(test, loom))) { 0 } else { 100 };

/// A mutual exclusion lock for data that mostly one thread comes for. See the [crate's docs](crate).
pub struct BiasedLock<T> {
    /// The token and the slot of the thread that has the bias. Stored to by whoever holds `arbiter`.
    owner: AtomicU64,
    /// Who has each for good, a token, and whether it is [`INSIDE`]. Stored to by that thread alone, at first with `arbiter`.
    slots: [AtomicU64; SLOTS],
    data: UnsafeCell<T>,
    /// Held by whoever is inside without the bias: its token.
    arbiter: Mutex<Arbiter>,
    holder: AtomicU64,
    /// Whether the one who holds `arbiter` sleeps until the biased thread has left.
    waits: Mutex<bool>,
    left: Condvar,
}

// SAFETY: only one thread at a time is given the data, which so moves from thread to thread, and so must be Send. That it is
// one at a time, and that what one did is visible to the next, is proved in the crate's docs. Everything else is Sync.
unsafe impl<T: Send> Sync for BiasedLock<T> {}

impl<T> BiasedLock<T> {
    /// A lock that nobody has; with bias if `membarrier(2)` can be had, otherwise as
    /// [`without_membarrier`](Self::without_membarrier).
    pub fn new(data: T) -> Self {
        Self::earned_after(data, barrier::available().then_some(EARNED))
    }

    /// A lock in which no thread ever has the bias: a mutex. It makes no system call but a mutex's.
    pub fn without_membarrier(data: T) -> Self {
        Self::earned_after(data, None)
    }

    pub(crate) fn earned_after(data: T, earned: Option<u32>) -> Self {
        Self {
            owner: AtomicU64::new(NOBODY),
            slots: std::array::from_fn(|_| AtomicU64::new(Token::NONE.0)),
            data: UnsafeCell::new(data),
            arbiter: Mutex::new(Arbiter::new(earned)),
            holder: AtomicU64::new(Token::NONE.0),
            waits: Mutex::new(false),
            left: Condvar::new(),
        }
    }

    /// Does something with the data, when nobody else does.
    ///
    /// # Panics
    ///
    /// If the thread is inside already. And if `f` panics; the lock is free then, and the data as `f` left it.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with_as(Token::current(), Token::assigned, f)
    }

    /// As the thread `token`, which is none if it was not `assigned` one yet.
    #[inline]
    pub(crate) fn with_as<R>(
        &self,
        token: Token,
        assigned: impl FnOnce() -> Token,
        f: impl FnOnce(&mut T) -> R,
    ) -> R {
        match self.enter(token) {
            // SAFETY: this thread has the bias and is inside: by the crate's docs nobody else is, and what others did
            // before is visible. It is not inside twice, for `enter` panics then, and without the bias it did not enter,
            // as the bias is given after the last such use.
            Some(_inside) => self.data.with_mut(|data| f(unsafe { &mut *data })),
            None => self.with_arbiter(assigned(), f),
        }
    }

    /// F1 to F5.
    #[inline]
    fn enter(&self, token: Token) -> Option<Inside<'_, T>> {
        // F1. If the tokens are the same, their difference is the slot; if not, it is larger than that of any. Relaxed, as
        // in F5: a thread gets the bias by a store of its own.
        let owner = self.owner.load(Ordering::Relaxed);
        let slot = usize::try_from(owner ^ token.0).ok()?;
        let slot = self.slots.get(slot)?;
        // F2. Relaxed: this thread alone stores to it.
        if slot.load(Ordering::Relaxed) != token.0 {
            reentered();
        }
        // F3. Relaxed: it says nothing of the data.
        slot.store(token.0 | INSIDE, Ordering::Relaxed);
        let inside = Inside { lock: self, slot, token, owner };
        // F4
        barrier::light();
        // F5. Relaxed: the barrier has ordered it after F3.
        (self.owner.load(Ordering::Relaxed) == owner).then_some(inside)
    }

    #[cold]
    #[inline(never)]
    fn with_arbiter<R>(&self, token: Token, f: impl FnOnce(&mut T) -> R) -> R {
        // A panic of `f` poisons this, and means nothing to the arbiter, which was not changed meanwhile.
        let mut arbiter = match self.arbiter.try_lock() {
            Ok(arbiter) => arbiter,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.check_not_inside(token);
                self.arbiter.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        if !self.revoke() {
            arbiter.retire();
        }
        let result = {
            let _held = Held::by(&self.holder, token);
            // SAFETY: this thread holds the arbiter, and nobody has the bias or is inside with it: by the crate's docs
            // nobody else is inside, and what others did before is visible. This thread is not inside twice, as it would
            // not have got the arbiter.
            self.data.with_mut(|data| f(unsafe { &mut *data }))
        };
        // Not before `f` has returned: there the thread would enter again by it.
        if arbiter.earns(token)
            && let Some(owner) = self.slot_of(token)
        {
            // Relaxed: it is for this thread, and for those who will have had the arbiter.
            self.owner.store(owner, Ordering::Relaxed);
        }
        result
    }

    /// Sees to it that nobody has the bias, or is inside by it (V1 to V3). False if there can be no bias any more. The
    /// arbiter is held.
    fn revoke(&self) -> bool {
        // Relaxed, here and in V1: whoever stores to it has the arbiter.
        let owner = self.owner.load(Ordering::Relaxed);
        let slot = (owner & ((1 << SLOT_BITS) - 1)) as usize;
        let Some(slot) = self.slots.get(slot) else { return true };
        // V1
        self.owner.store(NOBODY, Ordering::Relaxed);
        // V2
        let done = barrier::heavy();
        // V3
        self.wait_for(slot);
        done
    }

    fn wait_for(&self, slot: &AtomicU64) {
        for _ in 0..SPINS {
            // Acquire, here and below, with the release of `Inside::drop`.
            if slot.load(Ordering::Acquire) & INSIDE == 0 {
                return;
            }
            hint::spin_loop();
        }
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        *waits = true;
        while slot.load(Ordering::Acquire) & INSIDE != 0 {
            waits = self.left.wait(waits).unwrap_or_else(PoisonError::into_inner);
        }
        *waits = false;
    }

    /// Wakes the one that waits for this thread to leave, if it sleeps.
    #[cold]
    fn wake(&self) {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if *waits {
            self.left.notify_one();
        }
    }

    /// The owner that a thread is, if it has a slot or there is one left. The arbiter is held.
    fn slot_of(&self, token: Token) -> Option<u64> {
        // Relaxed: slots are taken with the arbiter.
        let is_own = |had: u64| had == token.0 || had == Token::NONE.0;
        let number = self.slots.iter().position(|slot| is_own(slot.load(Ordering::Relaxed)))?;
        self.slots.get(number)?.store(token.0, Ordering::Relaxed);
        Some(token.0 | number as u64)
    }

    /// Before a thread waits for the arbiter: it would for ever, if it were inside. Relaxed: what it says of this thread, this
    /// thread has stored.
    #[cold]
    fn check_not_inside(&self, token: Token) {
        let mut slots = self.slots.iter();
        if self.holder.load(Ordering::Relaxed) == token.0
            || slots.any(|slot| slot.load(Ordering::Relaxed) == token.0 | INSIDE)
        {
            reentered();
        }
    }

    /// Whether the thread has the bias.
    #[cfg(all(test, any(loom, miri)))]
    pub(crate) fn is_biased_to(&self, token: Token) -> bool {
        (self.owner.load(Ordering::Relaxed) ^ token.0) < SLOTS as u64
    }
}

impl<T> fmt::Debug for BiasedLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the data: somebody may be inside.
        f.debug_struct("BiasedLock").finish_non_exhaustive()
    }
}

#[cold]
#[inline(never)]
fn reentered() -> ! {
    panic!("a thread that is inside a lock has come to it again");
}

/// A thread is inside by the bias, or finds that it has lost it; until this is dropped.
struct Inside<'a, T> {
    lock: &'a BiasedLock<T>,
    slot: &'a AtomicU64,
    token: Token,
    owner: u64,
}

impl<T> Drop for Inside<'_, T> {
    /// F6 and F7, also when F5 has failed: somebody may have seen it inside, and wait.
    #[inline]
    fn drop(&mut self) {
        // F6. Release, with the acquire of `wait_for`: what was done with the data comes before.
        self.slot.store(self.token.0, Ordering::Release);
        // F7
        barrier::light();
        // Relaxed: the barrier has ordered it after F6.
        if self.lock.owner.load(Ordering::Relaxed) != self.owner {
            self.lock.wake();
        }
    }
}

/// A thread is inside without the bias, until this is dropped.
struct Held<'a>(&'a AtomicU64);

impl<'a> Held<'a> {
    fn by(holder: &'a AtomicU64, token: Token) -> Self {
        // Relaxed, here and below: it is of use to this thread alone.
        holder.store(token.0, Ordering::Relaxed);
        Self(holder)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(Token::NONE.0, Ordering::Relaxed);
    }
}
