//! The protocol of the ring, and the proof that it is right.
//!
//! This module has no items. It is the argument for the code of [`Writer`](crate::Writer) and [`Scrollback`](crate::Scrollback), which
//! carries the labels `W1`–`W4`, `R1`–`R6`, `K1`–`K3` and `H1`–`H6`.
//!
//! # Memory
//!
//! The writer and the readers share
//!
//! * `tail`, an `AtomicU64`: the offset one past the newest byte that readers may read;
//! * `intent`, an `AtomicU64`: the offset up to which the writer may be writing cells;
//! * the *cells*, `AtomicU64`s of eight bytes each in little-endian lanes: the byte at offset `o` is in lane `o % 8`
//!   of cell `o / 8` modulo the number of cells. On a little-endian machine the cells hold the plain text;
//! * `boot`, `kept` and more cells, if there is a [boot head](#the-boot-head).
//!
//! [`layout`](crate::layout) says where they are in memory. *C* is the capacity in bytes. Bytes whose offsets differ by a multiple of *C*
//! share a lane: they are its *generations*. *G* is the *granule*, the unit of `intent`: 4 KiB, or *C* / 16 if that is less. Both are
//! powers of two. *G* is a multiple of 8, and *C* is a multiple of *G*.
//!
//! The writer keeps for itself the offset `end` of the next byte, the last `intent` that it stored, and the bytes of the cell that it is in
//! the middle of. So it loads nothing that a reader could store. It loads cells only to fill the boot head (K2), and when it continues
//! another writer's ring. Its own values move along when the writer moves to another thread.
//!
//! A reader cannot store: its words have a type that can only be loaded ([`vuart_mapping::View`]). The loads are Relaxed, because Rust
//! promises no other load of memory that is mapped read-only. An acquire load is therefore a relaxed load and an acquire fence.
//!
//! # Steps
//!
//! The writer writes the bytes with the offsets `p..e`, at most *G* of them, in these steps. (It writes a longer slice in several such
//! rounds.)
//!
//! ```text
//! W1  if e > limit { limit = round_up(e, G); intent.store(limit, Release) }     once per granule
//! W2  fence(Release)                                                            each time
//! W3  cell.store(word, Relaxed)                                                 for each cell of p..e
//! W4  tail.store(e, Release)
//! ```
//!
//! A reader reads from the offset `from` into a buffer of `n` bytes:
//!
//! ```text
//! R1  t = tail.load(Relaxed); fence(Acquire)
//! R2  s = max(from, intent.load(Relaxed) - C);  e = min(t, s + n)
//! R3  word = cell.load(Relaxed)                                                 for each cell of s..e
//! R4  fence(Acquire)
//! R5  oldest = intent.load(Relaxed) - C
//! R6  drop the bytes before oldest;  start = max(s, oldest);  missed = start - from
//! ```
//!
//! # Why each byte that is returned is the byte with that offset
//!
//! The premise: *happens-before* orders all writes totally. It orders the writes of one thread. It also orders the writes of several
//! threads that use the [`Writer`](crate::Writer) one after the other, because safe code can hand the writer over only by something that
//! synchronises, such as a mutex. Readers do not matter for this, because they store nothing that another thread loads.
//!
//! Let a read return the byte at the offset *o*. Then `s <= o < t`, and by R6 `o >= oldest`. The byte comes from a lane of one load of
//! R3. Every store to that lane was made by the write of one of its generations, or of a neighbour in the same cell. The stores to a cell
//! happen in the order of their offsets.
//!
//! *The load did not return too old a store.* R1 loaded `t > o`. The store of `t` (W4) is a release store after the
//! store of *o* itself (W3), in the same write or in a later one. R1's load and fence acquire it. So the store of *o*
//! happens before R3, and by coherence R3 returns it or a later one.
//!
//! *The load did not return too new a store.* Assume that R3 returned a store *X* of a later generation of that cell. The write that made
//! *X* ends past the first byte of the cell's later generation, which is at least `o - o % 8 + C`. Before that, its W1 or an earlier
//! write's stored an `intent` that covers *X*. It is rounded up to a granule, hence to a whole cell, so it is more than `o + C`. The W2 of
//! *X*'s own write is between that store and *X*. R3 loaded a store after that release fence, and R4 is an acquire fence after R3. So the
//! fences synchronise, the store of that `intent` happens before R5, and R5 loads it or a larger one. Then `oldest > o`, and R6 has
//! dropped the byte.
//!
//! *The load did not mix two stores.* Between too old and too new is the store of *o* itself, or a store that completed the same cell
//! later in the same generation, with the same byte in that lane. Cells are loaded and stored whole. Nothing accesses them by another
//! size, so nothing can tear.
//!
//! Three points are easily overlooked:
//!
//! * W2 belongs to *every* write, although it orders a store that only some writes make. Without it, a thread that writes into a granule
//!   which another thread has announced would have no release fence between that announcement and its own cells. On x86 a release fence
//!   is no instruction. It binds the compiler.
//! * The store of an incomplete cell puts zeros into the lanes after its bytes, over bytes of the generation before. These lanes are
//!   within the same granule, so they are announced, although they are not written yet.
//! * The copied bytes must not be interpreted before R6.
//!
//! # Consequences
//!
//! * *Loss is exact.* `start` is the offset of the first byte in the buffer, or of the next byte to read. `missed` is the number of bytes
//!   between `from` and `start`. Only bytes that the writer has announced to overwrite are dropped.
//! * *The newest C − 2G bytes can be read* once they are written, however long ago. At the end of a write `intent < tail + G`. In the
//!   middle of a write (of at most *G* bytes) `intent < tail + 2G`.
//! * *All threads are wait-free.* A write is a loop over its own bytes, and over at most two granules of the boot head. A read copies once,
//!   or with a boot head at most four times. A reader that is lapped again and again gets few bytes, learns that, and delays no other
//!   thread.
//! * *Any number of readers is one reader, any number of times*, because readers store nothing. A read-only mapping is enough.
//! * *No content of the memory can do harm.* With any header, a read stays within the cells and within the buffer, does not overflow and
//!   does not panic.
//! * *A writer that ends leaves a whole ring.* If a process is killed between any two instructions, readers see what they would have seen
//!   while it lived: the bytes `intent - C..tail` and the boot head. Each byte is right, and only bytes of the write that was cut short
//!   are missing. The next writer follows the last one in the order of all writes, because the kernel ends a process before it releases
//!   the process's lock. The next writer begins at `tail`, and takes the lanes before it from the cell.
//! * *No data race:* each shared access is atomic. A sequence lock with `memcpy`, volatile copies, and accesses of
//!   mixed sizes are data races or undefined behaviour, however common.
//!
//! The offset of the first byte need not be 0 ([`Scrollback::starting_at`](crate::Scrollback::starting_at)). Bytes before it were never
//! written here, so the `oldest` of R2 and R5 is not less than it.
//!
//! # The boot head
//!
//! The boot head keeps the first *H* bytes of the newest boot when the ring is about to lose them. `boot` is the offset at which that boot
//! began. The bytes `boot..kept` are in the head's cells: cell *i* of the head is a copy of the ring's cell of the offset
//! `boot - boot % 8 + 8 i`. Both words only grow. [`Writer::mark`](crate::Writer::mark) stores `boot`, and nothing else. The head is empty
//! then, because `kept` is not past the end.
//!
//! The writer fills the head within W1, before it announces that the bytes before `oldest` go (`oldest` = the new limit − C):
//!
//! ```text
//!     from = max(kept, boot);  to = min(oldest, boot + H);  if from >= to, nothing is to be done
//! K1  fence(Release)
//! K2  head cell.store(ring cell, Relaxed)                                       for each cell of from..to
//! K3  kept.store(to, Release)
//! ```
//!
//! A reader reads from the offset `from`, if both `from` and `boot` are before the ring's oldest byte (R2):
//!
//! ```text
//! H1  fence(Acquire);  k = kept.load(Relaxed);  fence(Acquire)
//! H2  b = boot.load(Relaxed);  s = max(from, b);  e = min(k, s + n);  if s >= k, the head has nothing
//! H3  word = head cell.load(Relaxed)                                            for each cell of s..e
//! H4  fence(Acquire)
//! H5  if boot.load(Relaxed) != b, the head has nothing
//! H6  start = s;  missed = s - from
//! ```
//!
//! Let a read return the byte *o*. Then `b <= o < k`.
//!
//! *The byte is of that boot.* `k` was stored (K3) while the writer's boot was some *b′*. If *b′* were before *b*, then `k` would not have
//! been past the end when *b* began, and `k <= b <= o`. If *b′* were after *b*, then the store of *b′* came before K3, which H1
//! acquires, and H5 would have loaded *b′* or a later boot, which is not *b*. So *b′* is *b*. The cell of *o* was stored (K2) before that
//! K3, for the boot *b*, and H3 returns that store or a later one.
//!
//! *The byte is not of a later boot.* Within a boot each cell is stored once, or again with the same bytes, by a writer that follows one
//! which was killed before K3. Assume that H3 returned a store for a later boot. A K1 is between the store of that `boot` and it, and H4 is
//! an acquire fence after H3. So the fences synchronise, and H5 loads that `boot` or a later one, which is not *b*.
//!
//! *No byte is lost between ring and head.* K3 is before the store of `intent` that gives the same bytes up, and that store is a release
//! store. A reader that finds a byte gone (R2, R5) and then fences (H1) sees `kept` past it. If a reader finds bytes gone while it copies
//! them from the ring, it looks into the head once more.
//!
//! # Checks
//!
//! Each row weakens the code in one place. `.ci/weaken` makes each change, and demands that the named checkers find it.
//! `.ci/weaken --table` prints the table. *Exhaustive* tries every message that each load of a reader may return. *loom* is the model
//! checker, on the same code with several threads. Both run by `RUSTFLAGS="--cfg loom" cargo test --release --lib`, and both are complete
//! for their histories. Miri and tests on the real machine run too, and find some of the weakenings now and then: on x86 most orderings
//! behave like stronger ones.
//!
//! | weakened | exhaustive | loom |
//! |---|---|---|
//! | W1 after W3 | found | found |
//! | W1 not rounded up to a granule | found | found |
//! | W1 relaxed | found | – |
//! | W2 missing in `push` | found | found |
//! | W2 missing in `extend` | found | found |
//! | W2 missing in a short `extend` | found | found |
//! | W4 relaxed in a short `extend` | found | found |
//! | W2 only beside W1 | found | found |
//! | W2 after W3 | found | found |
//! | W4 relaxed | found | found |
//! | W4 before W3 | found | found |
//! | R1 without its fence | found | found |
//! | R2 without `intent` (right, but a lapped reader gets nothing) | – | found |
//! | R4 missing | found | found |
//! | R4 before R3 | found | found |
//! | R5 before R3 | found | found |
//! | R6 keeps one byte too many | found | found |
//! | R6 drops a cell more than was announced | found | – |
//! | K1 missing | found | – |
//! | K3 relaxed | found | – |
//! | K3 before K2 | found | – |
//! | K1 to K3 after the announcement | found | – |
//! | `mark` leaves what was kept | found | found |
//! | H1 without its first fence | found | – |
//! | H1 without its second fence | found | – |
//! | H4 missing | found | found |
//! | H5 missing | found | found |
//! | bytes that the head takes over while they are copied are given up | found | – |
//! | `end()` relaxed | found | found |
//! | `boot()` relaxed | found | – |
//! | the boot head before what the ring still has | found | – |
//! | doorbell: the sleeper's fence acquire-release | – | found |
//! | doorbell: no fence of the sleeper | – | found |
//! | doorbell: the producer's fence acquire-release | – | found |
//! | doorbell: no fence of the producer | – | found |
//! | doorbell: no fence of the producer after an unlock | – | found |
//! | doorbell: the sleeper's fence before it arms | – | found |
//! | doorbell: load and store for the swap | – | found |
//! | doorbell: `ring` without its fence | – | found |
//! | doorbell: the sleeper does not look again | – | found |
//! | doorbell: the callback before its bit | – | found |
