//! The protocol of the ring, and why it is right.
//!
//! There is nothing to call here: this is the argument that [`Writer`](crate::Writer) and
//! [`Scrollback`](crate::Scrollback) rest on. Their code carries the labels `W1`–`W4`, `R1`–`R6`, `K1`–`K3` and
//! `H1`–`H6`.
//!
//! # Memory
//!
//! The writer and the readers share
//!
//! * `tail`, an `AtomicU64`: the offset one past the newest byte that readers may read;
//! * `intent`, an `AtomicU64`: the offset up to which cells may be being written;
//! * the *cells*, `AtomicU64`s of eight bytes each in little-endian lanes: the byte at offset `o` is in lane `o % 8`
//!   of cell `o / 8` modulo their number. On a little-endian machine they hold the plain text;
//! * `boot`, `kept` and more cells, if there is a [boot head](#the-boot-head).
//!
//! Where they are in memory, [`layout`](crate::layout) says. With *C* for the capacity in bytes, the bytes whose
//! offsets differ by a multiple of *C* share a lane: they are its *generations*. *G* is the *granule*, the unit of
//! `intent`: 4 KiB, or *C* / 16 if that is less. Both are powers of two, *G* is a multiple of 8, and *C* one of *G*.
//!
//! The writer has for itself the offset `end` of the next byte, the last `intent` that it stored, and the bytes of
//! the cell that it is in the middle of, so it loads nothing that a reader could store, and cells only to fill the
//! boot head (K2) and when it goes on with another's ring. All of it moves along when the writer moves to another
//! thread. A reader has no way to store: its words are a type that can only be loaded ([`vuart_mapping::View`]), and
//! with Relaxed, because Rust promises no other load of memory that is mapped read-only. What has to be an acquire
//! load is a relaxed one and an acquire fence.
//!
//! # Steps
//!
//! Writing the bytes with the offsets `p..e`, at most *G* of them (a longer slice is written in several such steps):
//!
//! ```text
//! W1  if e > limit { limit = round_up(e, G); intent.store(limit, Release) }     once per granule
//! W2  fence(Release)                                                            each time
//! W3  cell.store(word, Relaxed)                                                 for each cell of p..e
//! W4  tail.store(e, Release)
//! ```
//!
//! Reading from the offset `from` into a buffer of `n` bytes:
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
//! The premise: writes are totally ordered by *happens-before*. One thread's are; so are those of several threads
//! that take turns with the [`Writer`](crate::Writer), because safe code can only hand it over by something that
//! synchronises, such as a mutex. That a reader runs beside them is no matter: it stores nothing that another thread
//! loads.
//!
//! Let a read return the byte at the offset *o*, so that `s <= o < t` and, after R6, `o >= oldest`. It comes from a
//! lane of one load of R3. Every store to that lane was by the write of one of its generations (or of a neighbour of
//! one, in the same cell), and the stores to a cell happen in the order of their offsets.
//!
//! *The load did not return too old a store.* R1 loaded `t > o`. The store of `t` (W4) is a release store after the
//! store of *o* itself (W3), in the same write or in a later one. R1's load and fence acquire it. So the store of *o*
//! happens before R3, and by coherence R3 returns it or a later one.
//!
//! *Nor too new a one.* Assume that R3 returned a store *X* of a later generation of that cell. The write that made
//! *X* ends past the first byte of the cell's later generation, which is at least `o - o % 8 + C`. Its W1, or an
//! earlier write's, had before stored an `intent` that covers it, rounded up to a granule, hence to a whole cell:
//! more than `o + C`. Between that and *X* is the W2 of *X*'s own write. R3 loaded what comes after that release
//! fence, and R4 is an acquire fence after R3: the fences synchronise, so the store of that `intent` happens before
//! R5, and R5 loads it or a larger one. Then `oldest > o`, and R6 has dropped the byte.
//!
//! *Nor is it half of one and half of another.* Between too old and too new is the store of *o* itself, or one that
//! completed the same cell after it, in the same generation, and thus with the same byte in that lane. Cells are loaded
//! and stored whole: nothing accesses them by another size, so nothing can tear.
//!
//! Three things in it are easily lost:
//!
//! * W2 belongs to *every* write, although it has to order a store that only some of them make. A thread that writes
//!   into a granule which another thread has announced would have no release fence between that announcement and its
//!   own cells. On x86 a release fence is no instruction; it binds the compiler.
//! * The store of a cell that is not complete yet puts zeros into the lanes after it, over bytes of the generation
//!   before. They are within the same granule, so they are announced, although they are not written yet.
//! * Nothing that was copied may be interpreted before R6.
//!
//! # What else holds
//!
//! * *Loss is exact.* `start` is the offset of the first byte in the buffer, or of the next to read, and `missed` is
//!   what is between it and `from`. No byte is dropped but those that the writer has announced to overwrite.
//! * *The newest C − 2G bytes can be read* once they are written, however long ago, while nothing more is written: at the
//!   end of a write `intent < tail + G`, and in the middle of one (of at most *G* bytes) `intent < tail + 2G`.
//! * *Everybody is wait-free.* A write is a loop over its own bytes, and over two granules of the boot head at the
//!   most; a read copies once, with a boot head four times at the most. A reader that is lapped again and again gets
//!   little, and is told so; it holds nobody up.
//! * *Any number of readers is one reader, any number of times*: they store nothing. A read-only mapping would do.
//! * *No content of the memory can do harm.* Whatever the header says, a read stays within the cells and within the
//!   buffer, does not overflow and does not panic.
//! * *A writer that ends leaves a ring.* When a process is killed between any two instructions, what readers see is
//!   what they would have seen there while it lived: the bytes `intent - C..tail` and the boot head, each byte right,
//!   none missing but those of the write that was cut short. The next writer takes the place of the last in the order
//!   of all writes (the kernel has ended the one before it lets the other have the lock), begins at `tail`, and takes
//!   the lanes before it from the cell.
//! * *No data race:* each shared access is atomic. A sequence lock with `memcpy`, volatile copies, and accesses of
//!   mixed sizes are data races or undefined behaviour, however common.
//!
//! The offset of the first byte need not be 0 ([`Scrollback::starting_at`](crate::Scrollback::starting_at)). What is
//! before it was never written here, so the `oldest` of R2 and R5 is not less than it.
//!
//! # The boot head
//!
//! The boot head keeps the first *H* bytes of the newest boot, when the ring is about to lose them. `boot` is the
//! offset at which that boot began, and the bytes `boot..kept` are in the head's cells: cell *i* of the head is a
//! copy of the ring's cell of the offset `boot - boot % 8 + 8 i`. Both words only grow.
//! [`Writer::mark`](crate::Writer::mark) stores `boot`, and nothing else; as `kept` is not past the end, the head is
//! empty then.
//!
//! The writer fills it within W1, before it announces that the bytes before `oldest` go (`oldest` = the new limit − C):
//!
//! ```text
//!     from = max(kept, boot);  to = min(oldest, boot + H);  if from >= to, nothing is to be done
//! K1  fence(Release)
//! K2  head cell.store(ring cell, Relaxed)                                       for each cell of from..to
//! K3  kept.store(to, Release)
//! ```
//!
//! Reading from the offset `from`, if that is before the ring's oldest byte (R2), and `boot` is too:
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
//! Let a read return the byte *o*, so `b <= o < k`.
//!
//! *It is that boot's.* `k` was stored (K3) while the writer's boot was some *b′*. If *b′* were before *b*: `k` was
//! not past the end when *b* began, `k <= b <= o`. If it were after: the store of *b′* came before K3, which H1
//! acquires, so H5 would have loaded *b′* or a later one, which is not *b*. So *b′* is *b*, and *o*'s cell was stored
//! (K2) before that K3, for the boot *b*: H3 returns that or a later store.
//!
//! *It is not a later boot's.* Within a boot each cell is stored once, or again with the same (by a writer that takes
//! over from one that was killed before K3). Assume that H3 returned a store for a later boot. Between it and the
//! store of that `boot` is a K1; H4 is an acquire fence after H3. The fences synchronise, and H5 loads that `boot` or
//! a later one, which is not *b*.
//!
//! *Nothing is lost between the two.* K3 is before the store of `intent` that gives the same bytes up, and that is a
//! release store. A reader that finds a byte gone (R2, R5) and then fences (H1) sees `kept` past it. It may find
//! bytes gone while it copies them from the ring; then it looks into the head once more.
//!
//! # What checks it
//!
//! Each line weakens the code in one place. `.ci/weaken` does it, and demands that it is found; `.ci/weaken --table`
//! prints the table. *Exhaustive* goes through every message that each load of a reader may return (`cargo test
//! --lib`); *loom* is the model checker, on the same code, with several threads. Both leave nothing to chance, within
//! the histories that they have. Miri and tests of the real machine run too, and find some of these now and then: on
//! x86 most of the orderings can't be told from weaker ones.
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
