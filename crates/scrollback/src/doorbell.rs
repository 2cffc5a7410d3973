//! How threads sleep until another has something for them.

pub(crate) mod barrier;
pub(crate) mod event;
pub(crate) mod place;
mod sleeper;
pub(crate) mod sleepers;
pub(crate) mod sync;

pub use sleeper::{Sleeper, SleeperError};

use barrier::Barrier;
use event::EventFd;
use sleepers::{PLACES, Sleepers};
use sync::Arc;

/// Wakes those who sleep: the side of the producers, of whom there may be any number. A handle, cheap to clone.
///
/// A producer, in this order:
///
/// 1. makes the data visible ([`Writer::push`](crate::Writer::push));
/// 2. [rings, if anybody is armed](Self::ring_if_armed).
///
/// The loop of those who sleep is in the docs of [`Sleeper`].
///
/// ```
/// use vuart_scrollback::{Doorbell, Scrollback};
///
/// let (mut writer, scrollback) = Scrollback::new(4096)?;
/// let mut reader = scrollback.reader_at(0);
/// let doorbell = Doorbell::new();
/// let mut sleeper = doorbell.sleeper()?;
///
/// writer.push(b'a');
/// assert!(!doorbell.ring_if_armed()); // nobody sleeps
///
/// sleeper.arm();
/// assert!(reader.is_behind()); // so there is no need to
/// assert!(!sleeper.acknowledge());
/// reader.read(&mut [0; 16]);
///
/// sleeper.arm();
/// assert!(!reader.is_behind()); // here it waits
/// writer.push(b'b');
/// assert!(doorbell.ring_if_armed());
/// writer.push(b'c');
/// assert!(!doorbell.ring_if_armed()); // once is enough
/// assert!(sleeper.acknowledge());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Protocol
///
/// All share `armed`, a word with a bit for each sleeper, and an eventfd for each.
///
/// ```text
/// P1  store the data                          S1  armed.fetch_or(my bit)
/// P2  the light half of the barrier           S2  the heavy half of the barrier
/// P3  if armed.load() == 0 { done }           S3  if there is data { go on with S5 }
/// P4  taken = armed.swap(0)                   S4  wait until my eventfd is readable
/// P5  write to the eventfd of each in taken   S5  armed.fetch_and(!my bit); read my eventfd
/// ```
///
/// The barrier comes in two kinds:
///
/// | | light (P2) | heavy (S2) |
/// |---|---|---|
/// | with `membarrier(2)` | a compiler fence: no instruction | `membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)` |
/// | without | a sequentially consistent fence | a sequentially consistent fence |
///
/// # Why no wake-up is lost
///
/// *The barrier.* For each producer and each sleeper it holds that either the sleeper's S3 sees the data of P1, or the
/// producer's P3 sees the bit of S1, or both. (It is how Dekker's algorithm for mutual exclusion starts.)
///
/// * Without `membarrier(2)`: two sequentially consistent fences are in one order. If the producer's is first, S3 comes after
///   P1; if the sleeper's is, P3 comes after S1.
/// * With it: between the beginning of the system call and its end the kernel makes each thread of the process that runs
///   pass a full barrier, at some moment of its own; one that does not run passes some in being taken off its core and put
///   there. The compiler fence keeps the producer's steps in the order of its program, so the moment is before P1, between
///   P1 and P3, or after P3. If P1 is before it, the data is visible when the call has returned, and S3 sees it. If not, P3 is
///   after it as well, and so after S1, because the caller has passed a barrier of its own before all others.
///
/// *Several of them.* Assume that a sleeper waits for ever in S4 while there is data that its S3 did not see. The producer of
/// that data has, by the above, loaded in P3 what S1 made of `armed`, or something later. If the sleeper's bit was in that,
/// the producer goes on to P4; otherwise somebody had cleared it since. Only a P4 does that: the sleeper is not at S5, and nobody
/// else has its place. So one P4, the producer's or another's, took the bit that S1 set, and its P5 writes to the eventfd,
/// after the last S5 had read it. The sleeper wakes: which was assumed not to be. Another sleeper's bit in the same word changes
/// nothing in this, as each change of the word is a read-modify-write that keeps the bits it is not about, or takes all and
/// rings for all.
///
/// *A place that changes hands.* Whoever leaves clears its bit first, and is written to by those only who took it before. The
/// eventfd stays open for them. The next owner of the place may find it readable for that reason, and look for nothing; a wake-up
/// of its own can't get lost by it, as it looks after it has armed, whatever its eventfd says.
///
/// *An unconditional [`ring`](Self::ring)* makes a fence, and writes to the eventfds of all that exist. A sleeper that it
/// misses was made after that fence, and its S3 sees what was stored before.
///
/// `loom` explores the code with fences, with two producers, two sleepers and a place that changes hands. No checker knows
/// `membarrier(2)`. So a model of a machine, whose store buffers keep what they like for as long as they like, goes through
/// all states of two producers and two sleepers, and loses a wake-up when any part of the above is left out
/// (`models/store_buffers.rs`).
///
/// # If `membarrier(2)` is refused
///
/// By an old kernel (before 4.14), or a filter that answers with an error, when the doorbell is made: then it is
/// [without](Self::without_membarrier).
///
/// Later, by a filter that was installed meanwhile: the sleeper whose system call fails has the producers make fences, from
/// then on and for good, and pauses for 10 ms. A producer that did not know yet had its data in its store buffer before the
/// pause, and after it has not: that is the one place that rests on a time, and the time is ten thousand times what a store
/// buffer needs. So S3 sees that data; and producers that know make fences. Each sleeper that runs into it pauses by itself.
///
/// A filter that kills has no such second chance. It must allow `membarrier`, with `MEMBARRIER_CMD_PRIVATE_EXPEDITED` (8), to the
/// threads that sleep, and `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED` (16) to the one that makes the doorbell; or let the
/// doorbell be without. Besides: `write` to the producers; `eventfd2` to those who call [`sleeper`](Self::sleeper); `read` to
/// sleepers, and `ppoll` for [`Sleeper::wait`].
///
/// # Cost, and what else was measured
///
/// On a virtual machine of two cores (AMD EPYC, Linux 6.18), on which others were at work. The paced pushes are those of the
/// quietest of three runs; in a noisier one they took one to three nanoseconds more, without readers too. With two cores at
/// most one reader runs beside the writer, the others when one of the two is free.
/// `cargo run --release -p vuart-benches -- table` measures it anew.
///
/// | | nanoseconds |
/// |---|---|
/// | a push while nobody sleeps, one each microsecond | 1.0 |
/// | that and [`ring_if_armed`](Self::ring_if_armed), with `membarrier(2)` | 1.0 (1.2 beside 8 readers that poll each millisecond) |
/// | the same with a fence | 5.9 |
/// | the two in a tight loop: push alone, with `membarrier(2)`, with a fence | 2.0, 2.5, 2.8 |
/// | a ring that wakes a thread, to the producer | 7,000–14,000 |
/// | a ring whose thread is still awake | 400–600 |
/// | [`Sleeper::arm`] and [`acknowledge`](Sleeper::acknowledge) with a fence | 290 |
/// | the same with `membarrier(2)`, no other thread of the process runs | 870 |
/// | the same while one runs on the other core | up to 14,000 |
/// | a push, one each microsecond, beside a reader that sleeps anew for each byte | 67 (8 of them: 79–290) |
/// | the same beside a reader that spins on the ring | 27–39 |
///
/// `membarrier(2)` is the default because only it leaves the writer's push as it is. Its price is paid when a reader goes to
/// sleep: the kernel interrupts each core on which a thread of the process runs, and a vCPU that is in guest mode exits for
/// it. That is much where sleeps are many and vCPUs busy with other things than this console. (The 14 µs are of a virtual
/// machine, in which such an interrupt is dear.) For a VMM that does not want it there is
/// [`without_membarrier`](Self::without_membarrier): five nanoseconds beside a guest's access, which takes a thousand, is not
/// much either.
///
/// What a wake-up costs is the same for both kinds, and more than either. So while output flows it is best not to be asleep: a
/// reader that can be late by a millisecond, such as a log, looks again each millisecond for as long as something comes, and
/// sleeps here only after one in which nothing came. (Eight of them: 1.2 ns.) A reader that does nothing but poll costs the
/// writer nothing either, and its own core a wake-up each time; one that spins costs the writer the most of all.
#[derive(Debug, Clone)]
pub struct Doorbell(Arc<Sleepers<EventFd>>);

impl Doorbell {
    /// How many can sleep on one doorbell.
    pub const MAX_SLEEPERS: usize = PLACES;

    /// A doorbell on which nobody sleeps; with `membarrier(2)`, if the system has it and allows it.
    pub fn new() -> Self {
        Self(Arc::new(Sleepers::new(Barrier::asymmetric())))
    }

    /// The same, with a fence in each [`ring_if_armed`](Self::ring_if_armed) instead.
    pub fn without_membarrier() -> Self {
        Self(Arc::new(Sleepers::new(Barrier::symmetric())))
    }

    /// Whether it is with `membarrier(2)`, at this moment.
    pub fn uses_membarrier(&self) -> bool {
        self.0.uses_membarrier()
    }

    /// One more that can sleep until this rings.
    ///
    /// # Errors
    ///
    /// When there are [`MAX_SLEEPERS`](Self::MAX_SLEEPERS) already, or the process has no file descriptor left.
    pub fn sleeper(&self) -> Result<Sleeper, SleeperError> {
        let place = Sleepers::enter(&self.0, EventFd::new).map_err(SleeperError::Eventfd)?;
        place.map(Sleeper).ok_or(SleeperError::TooMany)
    }

    /// Wakes those who sleep or are about to. Says whether there were any.
    ///
    /// What was stored before the call (in program order) is visible to them when they look again. It never blocks and
    /// allocates nothing, and wakes each sleeper at most once for each time that it armed.
    #[inline]
    pub fn ring_if_armed(&self) -> bool {
        self.0.ring_if_armed()
    }

    /// Makes the file descriptors of all sleepers readable in any case, for what is rare and must be heard (a shutdown). It
    /// never blocks.
    pub fn ring(&self) {
        self.0.ring();
    }
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}
