//! A doorbell without an operating system: it calls a function.

use alloc::sync::Arc;
use core::{convert::Infallible, fmt};

use super::claim::Claim;
use super::sleeper_error::SleeperError;
use super::sleepers::{Events, PLACES, Sleepers};
use crate::sync::{AtomicU64, Ordering};

/// A doorbell for programs without an operating system: instead of writing to eventfds it calls a function. A handle, cheap to clone.
///
/// Use it where the processor that reads the output halts, or where a scheduler of your own runs the reader. `wake` ends that sleep: it
/// sends an interrupt to the reader's processor, or makes the reader's task runnable. It runs on the producer's processor, for the first
/// byte after a sleeper has [armed](CallbackSleeper::arm), and not for the bytes that follow. Where there is an operating system,
/// `Doorbell` is the usual choice.
///
/// A producer makes the data visible, and then [rings, if a sleeper is armed](Self::ring_if_armed). The docs of [`CallbackSleeper`] have
/// the sleepers' side.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
///
/// use vuart_scrollback::{CallbackDoorbell, Scrollback};
///
/// // Stands for a processor that halts: an interrupt is pending, or not.
/// let pending = Arc::new(AtomicBool::new(false));
/// let interrupt = Arc::clone(&pending);
///
/// let (mut writer, scrollback) = Scrollback::new(4096)?;
/// let mut reader = scrollback.reader_at(0);
/// let doorbell = CallbackDoorbell::new(move || interrupt.store(true, Ordering::Release));
/// let mut sleeper = doorbell.sleeper()?;
///
/// sleeper.arm();
/// assert!(!reader.is_behind()); // so the processor may halt
/// for byte in *b"login: " {
///     writer.push(byte);
///     doorbell.ring_if_armed(); // calls `wake` for the first byte only
/// }
/// assert!(pending.load(Ordering::Acquire));
/// assert!(sleeper.acknowledge());
///
/// let mut buf = [0; 16];
/// assert_eq!(reader.read(&mut buf).len(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Protocol
///
/// It is `Doorbell`'s, and the same code. A word with a bit for each sleeper, `rung`, takes the place of the eventfds, and the function
/// that of the kernel, which ends a wait:
///
/// ```text
/// P5  rung.fetch_or(taken); wake()            S4  halt until my bit in rung is set
///                                             S5  armed.fetch_and(!my bit); rung.fetch_and(!my bit)
/// ```
///
/// No wake-up is lost if a halt ends when `wake` is called during it, *or was called just before it*. An eventfd is like that by itself. A
/// processor is like that if it looks at [`is_rung`](CallbackSleeper::is_rung) with interrupts disabled, and if its instruction to halt
/// ends for an interrupt that is pending: `sti; hlt` on x86, `wfi` on Arm and RISC-V.
///
/// # The function
///
/// It must not block and must not panic. It may run on several processors at once. It is called for any number of sleepers together,
/// and does not say which: it wakes them all, and each looks at its own bit.
///
/// An interrupt that it sends must not overtake the stores before it. Make the barrier there that the processor wants before a write to its
/// interrupt controller, as for every interrupt between processors: `dsb ishst` on Arm, `mfence; lfence` on x86 with an x2APIC.
pub struct CallbackDoorbell<F>(Arc<Sleepers<Callback<F>>>);

/// The events of the sleepers: a bit for each, and what ends their halts.
struct Callback<F> {
    rung: AtomicU64,
    wake: F,
}

impl<F> Callback<F> {
    fn is_set(&self, bit: u64) -> bool {
        // Acquire: as in `clear`.
        self.rung.load(Ordering::Acquire) & bit != 0
    }

    /// Returns whether it was set.
    fn clear(&self, bit: u64) -> bool {
        // Acquire: pairs with the release in `set`. A sleeper that was rung sees the data.
        self.rung.fetch_and(!bit, Ordering::Acquire) & bit != 0
    }
}

impl<F: Fn()> Events for Callback<F> {
    fn set(&self, sleepers: u64) {
        if sleepers != 0 {
            // Release: what the producer stored is seen by who sees the bit. Before the call, so that a halt that the call ends finds it.
            self.rung.fetch_or(sleepers, Ordering::Release);
            (self.wake)();
        }
    }
}

impl<F: Fn()> CallbackDoorbell<F> {
    /// The most sleepers on one doorbell.
    pub const MAX_SLEEPERS: usize = PLACES;

    /// Makes a doorbell on which nobody sleeps, which wakes by `wake`. A type of its own, a `fn()` and a `Box<dyn Fn()>` will do, and for
    /// several processors it must be `Send` and `Sync`.
    pub fn new(wake: F) -> Self {
        Self(Arc::new(Sleepers::new(Callback { rung: AtomicU64::new(0), wake })))
    }

    /// Adds one that can sleep until this doorbell rings.
    ///
    /// # Errors
    ///
    /// When there are [`MAX_SLEEPERS`](Self::MAX_SLEEPERS) already.
    pub fn sleeper(&self) -> Result<CallbackSleeper<F>, SleeperError> {
        let claim = Claim::enter(&self.0).ok_or(SleeperError::TooMany)?;
        // A ring for the place's last sleeper may be left.
        claim.events().clear(claim.bit());
        Ok(CallbackSleeper(claim))
    }

    /// Wakes the sleepers that sleep or are about to. Returns whether there were any.
    ///
    /// Call it after the data is stored. Sleepers that it wakes see the data. While nobody is armed it costs a fence. It calls the function
    /// at most once for each time that a sleeper armed.
    #[inline]
    pub fn ring_if_armed(&self) -> bool {
        self.0.ring_if_armed()
    }

    /// Wakes all sleepers, armed or not. Use it for rare events that every sleeper must hear of.
    pub fn ring(&self) {
        self.0.ring();
    }
}

impl<F> Clone for CallbackDoorbell<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for CallbackDoorbell<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackDoorbell").finish_non_exhaustive()
    }
}

/// Sleeps until a [`CallbackDoorbell`] rings: a place among its [sleepers](CallbackDoorbell::MAX_SLEEPERS).
///
/// A loop of its own does these steps, in this order; [`wait`](Self::wait) does 2 to 5:
///
/// 1. work until nothing is left;
/// 2. [`arm`](Self::arm);
/// 3. look again; if there is work after all, go to 5;
/// 4. halt until [`is_rung`](Self::is_rung);
/// 5. [`acknowledge`](Self::acknowledge), and go to 1.
///
/// A reader that may be late should not do this while output flows, because each wake-up costs the producer an interrupt. It should look
/// again after a while: by a timer, or in its idle loop.
///
/// A sleeper may wake for nothing: a producer may have taken its bit in an earlier sleep, and ring late.
pub struct CallbackSleeper<F>(Claim<Callback<F>>);

impl<F> CallbackSleeper<F> {
    /// Asks for a wake-up. Look for data *again* before you halt.
    pub fn arm(&mut self) {
        self.0.arm();
    }

    /// Whether the doorbell has rung for this sleeper since the last [`acknowledge`](Self::acknowledge).
    pub fn is_rung(&self) -> bool {
        self.0.events().is_set(self.0.bit())
    }

    /// Asks for no more wake-ups. Returns whether the doorbell had rung.
    pub fn acknowledge(&mut self) -> bool {
        self.0.disarm();
        self.0.events().clear(self.0.bit())
    }

    /// Sleeps until `ready` returns true. `halt` stops the processor until [`is_rung`](Self::is_rung). It may return early, for any other
    /// interrupt, and is then called again.
    ///
    /// It calls `ready` before the first sleep, and twice after each `halt`.
    ///
    /// ```
    /// use std::thread;
    ///
    /// use vuart_scrollback::{CallbackDoorbell, Scrollback};
    ///
    /// let (mut writer, scrollback) = Scrollback::new(4096)?;
    /// let mut reader = scrollback.reader_at(0);
    /// // Threads stand for processors here.
    /// let cpu = thread::current();
    /// let doorbell = CallbackDoorbell::new(move || cpu.unpark());
    /// let mut sleeper = doorbell.sleeper()?;
    ///
    /// let guest = thread::spawn(move || {
    ///     writer.extend(b"login: ");
    ///     doorbell.ring_if_armed();
    /// });
    /// sleeper.wait(|| reader.is_behind(), |_| thread::park());
    /// assert_eq!(reader.read(&mut [0; 16]).len(), 7);
    /// # guest.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&mut self, mut ready: impl FnMut() -> bool, mut halt: impl FnMut(&Self)) {
        while !ready() {
            let halted = self.0.sleep(&mut ready, || {
                halt(self);
                Ok::<(), Infallible>(())
            });
            self.0.events().clear(self.0.bit());
            if halted == Ok(true) {
                return;
            }
        }
    }
}

impl<F> fmt::Debug for CallbackSleeper<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSleeper").field("is_rung", &self.is_rung()).finish_non_exhaustive()
    }
}
