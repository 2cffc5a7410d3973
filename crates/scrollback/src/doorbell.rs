//! How threads sleep until another thread has data for them.

mod callback;
mod claim;
#[cfg(feature = "std")]
pub(crate) mod event;
#[cfg(feature = "std")]
mod pace;
#[cfg(feature = "std")]
pub(crate) mod place;
#[cfg(feature = "std")]
mod sleeper;
mod sleeper_error;
pub(crate) mod sleepers;
#[cfg(feature = "std")]
pub(crate) mod slots;

pub use callback::{CallbackDoorbell, CallbackSleeper};
#[cfg(feature = "std")]
pub use pace::Pace;
#[cfg(feature = "std")]
pub use sleeper::{Rest, Sleeper};
pub use sleeper_error::SleeperError;

#[cfg(feature = "std")]
use event::EventFd;
#[cfg(feature = "std")]
use place::Place;
#[cfg(feature = "std")]
use sleepers::{PLACES, Sleepers};
#[cfg(feature = "std")]
use slots::Slots;
#[cfg(feature = "std")]
use std::sync::Arc;

/// Wakes the threads that sleep: the producers' side. There may be any number of producers. A handle, cheap to clone.
///
/// A producer does, in this order:
///
/// 1. make the data visible ([`Writer::push`](crate::Writer::push));
/// 2. [ring, if a sleeper is armed](Self::ring_if_armed).
///
/// The docs of [`Sleeper`] have the sleepers' loop.
///
/// ```
/// use std::time::Instant;
///
/// use vuart_scrollback::{Doorbell, Rest, Scrollback};
///
/// let (mut writer, scrollback) = Scrollback::new(4096)?;
/// let mut reader = scrollback.reader_at(0);
/// let doorbell = Doorbell::new();
/// let mut sleeper = doorbell.sleeper()?;
///
/// writer.push(b'a');
/// assert!(!doorbell.ring_if_armed()); // no reader sleeps
///
/// reader.read(&mut [0; 16]);
/// // Output flows, so the reader looks again by the clock, and the writer need not wake it.
/// let Rest::Until(next) = sleeper.rest(&scrollback, Instant::now()) else { unreachable!() };
/// writer.push(b'b');
/// assert!(!doorbell.ring_if_armed());
///
/// // At that time it finds the byte. At the next it finds nothing, and sleeps.
/// reader.read(&mut [0; 16]);
/// let Rest::Until(next) = sleeper.rest(&scrollback, next) else { unreachable!() };
/// assert_eq!(sleeper.rest(&scrollback, next), Rest::Asleep);
/// writer.push(b'c');
/// assert!(doorbell.ring_if_armed());
/// writer.push(b'd');
/// assert!(!doorbell.ring_if_armed()); // once is enough
/// assert!(sleeper.acknowledge());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Protocol
///
/// All threads share `armed`, a word with a bit for each sleeper, and an eventfd for each sleeper.
///
/// ```text
/// P1  store the data                          S1  armed.fetch_or(my bit)
/// P2  fence(SeqCst)                           S2  fence(SeqCst)
/// P3  if armed.load() == 0 { done }           S3  if there is data { go on with S5 }
/// P4  taken = armed.swap(0)                   S4  wait until my eventfd is readable
/// P5  write to the eventfd of each in taken   S5  armed.fetch_and(!my bit); read my eventfd
/// ```
///
/// # Why no wake-up is lost
///
/// *One producer and one sleeper.* Either the sleeper's S3 sees the data of P1, or the producer's P3 sees the bit of S1, or both:
/// sequentially consistent fences have one order. If the producer's fence comes first, S3 comes after P1. If the sleeper's comes
/// first, P3 comes after S1. (Dekker's algorithm for mutual exclusion starts in the same way.)
///
/// *Several of them.* Assume that a sleeper waits for ever in S4, although there is data that its S3 did not see. By the argument
/// above, the P3 of that data's producer has loaded the value that S1 stored in `armed`, or a later value. If the sleeper's bit was in
/// that value, the producer goes on to P4. Otherwise a thread had cleared the bit before. Only a P4 clears it, because the sleeper is
/// not at S5, and no other sleeper has its place. So one P4, of this producer or of another, took the bit that S1 set. Its P5 writes
/// to the eventfd after the last S5 has read it, and the sleeper wakes. That contradicts the assumption. The bits of other sleepers
/// change nothing in this argument: each change of the word is a read-modify-write that keeps all bits but its own, or takes all bits
/// and rings for each of them.
///
/// *A place that changes hands.* A sleeper that leaves clears its bit first. After that, only producers that had taken the bit before
/// write to the eventfd, which stays open for them. The next sleeper in the place may therefore find the eventfd readable, and look
/// for nothing. It loses no wake-up of its own, because it looks after it has armed, whatever its eventfd says.
///
/// *An unconditional [`ring`](Self::ring)* makes a fence, and writes to the eventfds of all present sleepers. A sleeper that it misses
/// entered after that fence, and its S3 sees what was stored before the fence.
///
/// `loom` explores the code with two producers, two sleepers, and a place that changes hands; `.ci/weaken` shows that it finds each part
/// that is left out.
///
/// # System calls
///
/// For seccomp filters: `write` for producers; `eventfd2` for threads that call [`sleeper`](Self::sleeper); `read` for sleepers, and
/// `ppoll` for [`Sleeper::wait`] and [`wait_at_once`](Sleeper::wait_at_once).
///
/// # Cost
///
/// Measured on a virtual machine with two cores (AMD EPYC, Linux 6.18) that other programs use, too.
/// `cargo run --release -p vuart-benches -- table --only doorbell` measures all rows but the last again.
///
/// | | nanoseconds |
/// |---|---|
/// | a push while no reader sleeps, one each microsecond | 1.0 |
/// | that and [`ring_if_armed`](Self::ring_if_armed) | 5.9 |
/// | the two in a tight loop: push alone, push and ring | 2.0, 2.8 |
/// | a ring that wakes a thread, to the producer | 7,000–14,000 |
/// | a ring whose thread is still awake | 400–600 |
/// | [`Sleeper::arm_at_once`] and [`acknowledge`](Sleeper::acknowledge) | 290 |
///
/// The fence is the whole price while no reader sleeps. An older version had no fence here, and `membarrier(2)` on the sleepers' side
/// instead. That saved the producer those nanoseconds, beside an exit of a microsecond, and interrupted each vCPU whenever a reader went
/// to sleep.
///
/// A wake-up costs much more than the fence. A reader that sleeps whenever it has read everything is woken for most bytes of a guest that
/// writes one at a time. So [`Sleeper::rest`] and [`Sleeper::wait`] look by the clock as long as data comes, each millisecond unless
/// [another pace](crate::Pace) is set, and sleep on the doorbell only after a tick without data. A reader that polls and never sleeps
/// costs the producer nothing, and its own core one timer a millisecond. A reader that spins costs the producer most of all.
#[cfg(feature = "std")]
#[derive(Debug, Clone)]
pub struct Doorbell(Arc<Sleepers<Slots<EventFd>>>);

#[cfg(feature = "std")]
impl Doorbell {
    /// The most threads that can sleep on one doorbell.
    pub const MAX_SLEEPERS: usize = PLACES;

    /// Makes a doorbell on which no thread sleeps.
    pub fn new() -> Self {
        Self(Arc::new(Sleepers::new(Slots::new())))
    }

    /// Adds one that can sleep until this doorbell rings.
    ///
    /// # Errors
    ///
    /// When there are [`MAX_SLEEPERS`](Self::MAX_SLEEPERS) already, or the process has no file descriptor left.
    pub fn sleeper(&self) -> Result<Sleeper, SleeperError> {
        let place = Place::enter(&self.0, EventFd::new).map_err(SleeperError::Eventfd)?;
        place.map(Sleeper::new).ok_or(SleeperError::TooMany)
    }

    /// Wakes the sleepers that sleep or are about to. Returns whether there were any.
    ///
    /// Call it after the data is stored. Sleepers that it wakes see the data. It never blocks and allocates nothing. It wakes each
    /// sleeper at most once for each time that the sleeper armed.
    #[inline]
    pub fn ring_if_armed(&self) -> bool {
        self.0.ring_if_armed()
    }

    /// Does the same without a second barrier, for a producer that has stored the data under a [`std::sync::Mutex`] and has unlocked
    /// that mutex since. The calling thread itself must have unlocked it, after its last store.
    ///
    /// # Why the unlock is barrier enough on x86-64
    ///
    /// The one thing that P2 has to prevent is that P3 loads while the data of P1 is still in the processor's store buffer. `std`'s mutex
    /// on Linux is unlocked by an atomic swap. On x86-64 that is an `xchg` with memory, which is a full barrier: the store buffer is empty
    /// before the next load. The unlock is a release, so the compiler keeps P1 before it. A compiler fence here keeps P3 after it.
    ///
    /// This rests on `std`'s implementation and not on its promises. `.ci/instructions` guards it: it counts the locked instructions of
    /// a THR write to a shared port, and fails if there are not exactly two, the mutex's lock and its unlock.
    ///
    /// On other architectures, under loom and under Miri this is [`ring_if_armed`](Self::ring_if_armed), with its fence.
    #[inline]
    pub fn ring_if_armed_after_unlock(&self) -> bool {
        self.0.ring_if_armed_after_unlock()
    }

    /// Whether both are handles of one doorbell.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Makes the file descriptors of all sleepers readable, armed or not. Use it for rare events that every sleeper must hear of, such as
    /// a shutdown. It never blocks.
    pub fn ring(&self) {
        self.0.ring();
    }
}

#[cfg(feature = "std")]
impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}
