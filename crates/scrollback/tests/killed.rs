//! A writer's process is killed while it writes, a hundred times. It leaves the bytes that it wrote, up to the byte in flight, and the next
//! writer goes on after them.
//!
//! The victim is this test program, started again. Before and after each call it makes a note in a page of its own, so that the checks
//! are exact.

#![cfg(not(miri))] // It has no processes.

#[path = "killed/notes.rs"]
mod notes;
mod support;

use std::{
    env,
    fs::File,
    hint,
    os::{fd::AsRawFd, unix::fs::FileExt},
    process::{self, Child, Command, Stdio},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::fs::{MemfdFlags, memfd_create};
use vuart_mapping::{Mapping, PAGE};
use vuart_scrollback::{Position, RingOptions, Scrollback, Writer};

use notes::{Notes, PERIOD, Pattern, index};
use support::Random;

const RINGS: u32 = 10;
const KILLS: u32 = 10;

/// The victim's environment variables.
const RING: &str = "VUART_KILLED_RING";
const NOTES: &str = "VUART_KILLED_NOTES";
const SEED: &str = "VUART_KILLED_SEED";
const LIFE: &str = "VUART_KILLED_LIFE";

/// The longest slice of one call, in bytes.
const SLICE_MAX: u64 = 9000;

fn choose<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.small(from.len())]
}

/// The memory or file of a ring or of the notes, and the path by which another process opens it.
fn path(file: &File) -> String {
    format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd())
}

fn open(path: &str) -> File {
    File::options().read(true).write(true).open(path).expect("a file that another process has")
}

/// The process that is killed. It is no test by itself.
#[test]
#[ignore = "it writes until it is killed; the other test starts it"]
fn victim() {
    let Ok(ring) = env::var(RING) else { return };
    let notes = Mapping::of_file(&open(&env::var(NOTES).expect("given with the ring")));
    let notes = Notes(notes.expect("memory"));
    let mut random = Random(env::var(SEED).expect("given with the ring").parse().expect("a number"));
    let life = env::var(LIFE).expect("given with the ring").parse().expect("a number");
    let pattern = Pattern::new();
    let (mut writer, _) = RingOptions::default().with_disk(true).adopt(open(&ring)).expect("nobody's ring");
    loop {
        match random.below(32) {
            0 => {
                notes.marking().store(writer.end(), Release);
                let at = writer.mark();
                notes.marked().store(at, Release);
            }
            1..=16 => {
                for _ in 0..random.below(2000) {
                    // The beginning is noted before the work, because each write begins with a release fence.
                    notes.begun().store(writer.end() + 1, Release);
                    writer.push(pattern.at(life, writer.end(), 1)[0]);
                    notes.finished().store(writer.end(), Release);
                }
            }
            _ => {
                let long = random.below(4) == 0;
                let len = random.below(if long { SLICE_MAX } else { 100 });
                notes.begun().store(writer.end() + len, Release);
                writer.extend(pattern.at(life, writer.end(), index(len)));
                notes.finished().store(writer.end(), Release);
            }
        }
    }
}

/// The moments of the kills.
#[derive(Debug, Default)]
struct Moments {
    /// Between two calls.
    outside: u32,
    /// Within a call.
    inside: u32,
    /// Of the kills within a call: before the last byte of the call could be read.
    in_flight: u32,
    /// Of the kills within a call: after cells had been announced that could not be read yet.
    announced: u32,
    /// Of the kills within a call: after the byte at the end was stored and before it could be read. (The old byte may be the same by
    /// chance.)
    stored: u32,
    /// Within a mark.
    marking: u32,
}

/// A victim that does not outlive its test.
struct Victim(Child);

impl Victim {
    fn start(ring: &Ring, seed: u64) -> Self {
        let child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "victim", "--ignored", "--nocapture"])
            .env(RING, path(&ring.file))
            .env(NOTES, path(&ring.notes_file))
            .env(SEED, seed.to_string())
            .env(LIFE, ring.lives.len().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("another process"))
    }

    /// Kills it after it has written about so many bytes, and a moment.
    fn kill(mut self, notes: &Notes, bytes: u64, moment: Duration) {
        let begin = notes.begun().load(Acquire);
        while notes.begun().load(Acquire) - begin < bytes {
            let ended = self.0.try_wait().expect("a child");
            assert!(ended.is_none(), "the victim has ended by itself: {ended:?}");
            thread::yield_now();
        }
        // This waits for no event: it makes the moment random.
        let until = Instant::now() + moment;
        while Instant::now() < until {
            hint::spin_loop();
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().expect("a child that runs");
        self.0.wait().expect("a child");
    }
}

/// A ring, and the bytes that must be in it.
struct Ring {
    file: File,
    notes_file: File,
    notes: Notes,
    origin: u64,
    head: usize,
    pattern: Pattern,
    /// The offsets at which the dead writers have stopped.
    lives: Vec<u64>,
}

impl Ring {
    fn new(random: &mut Random, directory: Option<&tempfile::TempDir>) -> Self {
        let capacity = choose(random, &[4 << 10, 16 << 10, 128 << 10]);
        let origin = choose(random, &[0, 5, 123_456_789]);
        let options = RingOptions::new(capacity)
            .with_boot_head(choose(random, &[0, 1000, 40_000]))
            .with_start(origin)
            .with_disk(true);
        println!("{options:?}{}", if directory.is_some() { ", in a file" } else { "" });
        let (_, scrollback) = match directory {
            Some(directory) => {
                options.create_in(File::create_new(directory.path().join("ring")).expect("an empty file"))
            }
            None => options.create_memfd("ring"),
        }
        .expect("a ring");
        let notes_file = File::from(memfd_create("notes", MemfdFlags::CLOEXEC).expect("memory"));
        notes_file.set_len(PAGE as u64).expect("room for a page");
        let notes = Notes(Mapping::of_file(&notes_file).expect("memory"));
        let file = scrollback.file().expect("a ring in a file").try_clone().expect("a file descriptor");
        let (head, pattern, lives) = (scrollback.boot_head(), Pattern::new(), Vec::new());
        Self { file, notes_file, notes, origin, head, pattern, lives }
    }

    /// A word of the header, by `layout`.
    fn word(&self, index: u64) -> u64 {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, 8 * index).expect("a header");
        u64::from_ne_bytes(word)
    }

    /// Checks the bytes that the killed writer has left, and finds the moment of the kill.
    fn check_left(&mut self, moments: &mut Moments) {
        let (begun, finished) = (self.notes.begun().load(Acquire), self.notes.finished().load(Acquire));
        let loaded = Scrollback::load(&self.file).expect("a ring");
        let end = loaded.end();
        assert!(finished <= end && end <= begun, "finished {finished}, readable {end}, begun {begun}");
        if begun - finished == 1 {
            assert!(end == finished || end == begun);
        }
        let (marking, marked) = (self.notes.marking().load(Acquire), self.notes.marked().load(Acquire));
        let boot = loaded.boot();
        assert!(boot == marked || boot == marking, "marked {marked}, boot {boot}, marking {marking}");
        self.lives.push(end);
        self.check_readable(&loaded);
        self.check_readable(&Scrollback::map(&self.file).expect("a ring"));

        let granule = (loaded.capacity() / 16).min(4096) as u64;
        let intent = self.word(17);
        assert!(end <= intent && intent < end + 2 * granule);
        match (begun == finished, begun == end) {
            (true, _) => moments.outside += 1,
            (false, true) => moments.inside += 1,
            (false, false) => {
                moments.inside += 1;
                moments.in_flight += 1;
                moments.announced += u32::from(intent > end.next_multiple_of(granule));
                let at = 4096 + end % loaded.capacity() as u64;
                let mut byte = [0];
                self.file.read_exact_at(&mut byte, at).expect("within the ring");
                moments.stored += u32::from(
                    cfg!(target_endian = "little") && byte == *self.pattern.at(self.lives.len() - 1, end, 1),
                );
            }
        }
        moments.marking += u32::from(marking != marked);
    }

    /// Checks all bytes that can be read: they are enough, they are right, and holes are only where they may be.
    fn check_readable(&self, scrollback: &Scrollback) {
        let (end, boot) = (scrollback.end(), scrollback.boot());
        assert!(self.origin <= boot && boot <= end);
        // The bytes that the ring promises to retain, without the boot head.
        let retained = (scrollback.retained() as u64).min(end - self.origin);
        let newest = scrollback.offset(Position::Newest(u64::MAX));
        assert!(end - newest >= retained, "{scrollback:?}: {retained} bytes are promised");
        let readable = if newest == end { vec![] } else { vec![(newest, end)] };
        assert_eq!(self.read(scrollback, newest), readable);
        // The bytes that the boot head promises, in the head or in the ring.
        let head = (self.head as u64).min(end - boot);
        let pieces = self.read(scrollback, boot);
        if self.head > 0 && boot < end {
            assert_eq!(pieces[0].0, boot, "{pieces:?}");
            assert!(pieces[0].1 >= boot + head, "{pieces:?}: {head} bytes of the boot are promised");
        }
        let all = self.read(scrollback, 0);
        assert!(all.len() <= 2, "{all:?}: one piece, or the boot's head and another");
        assert_eq!(all.first().map_or(end, |first| first.0), scrollback.oldest());
        assert_eq!(all.last().map_or(end, |last| last.1), end);
        if let [(from, to), (next, _)] = all[..] {
            assert_eq!((from, to, next), (boot, boot + head, newest), "{scrollback:?}");
        }
    }

    /// Reads from `from` to the end, checks each byte, and returns the ranges between holes.
    fn read(&self, scrollback: &Scrollback, from: u64) -> Vec<(u64, u64)> {
        let mut pieces: Vec<(u64, u64)> = Vec::new();
        let mut reader = scrollback.reader_at(from);
        let mut buf = [0; PERIOD];
        loop {
            let before = reader.cursor();
            let read = reader.read(&mut buf);
            assert_eq!(read.start - before, read.missed);
            assert!(buf[..read.len()] == self.expected(read.start, read.next), "{read:?}, {:?}", self.lives);
            if read.is_empty() && read.missed == 0 {
                return pieces;
            }
            match pieces.last_mut() {
                Some(last) if read.missed == 0 => last.1 = read.next,
                _ if read.is_empty() => {}
                _ => pieces.push((read.start, read.next)),
            }
        }
    }

    /// The bytes that the writers have written there.
    fn expected(&self, from: u64, to: u64) -> Vec<u8> {
        let mut expected = Vec::new();
        let mut at = from;
        for (life, end) in self.lives.iter().copied().chain([u64::MAX]).enumerate() {
            let len = end.min(to).saturating_sub(at);
            expected.extend_from_slice(self.pattern.at(life, at, index(len)));
            at += len;
        }
        expected
    }

    /// The next writer goes on for a while.
    fn go_on(&mut self, writer: &mut Writer, random: &mut Random) {
        let life = self.lives.len();
        for _ in 0..random.below(3) {
            let len = random.below(SLICE_MAX);
            writer.extend(self.pattern.at(life, writer.end(), index(len)));
            self.check_readable(writer.scrollback());
        }
        for _ in 0..random.below(20) {
            writer.push(self.pattern.at(life, writer.end(), 1)[0]);
        }
        if random.below(4) == 0 {
            writer.mark();
        }
        self.check_readable(writer.scrollback());
        self.lives.push(writer.end());
        self.note(writer.end(), writer.scrollback().boot());
    }

    fn note(&self, end: u64, boot: u64) {
        self.notes.begun().store(end, Relaxed);
        self.notes.finished().store(end, Relaxed);
        self.notes.marking().store(boot, Relaxed);
        self.notes.marked().store(boot, Relaxed);
    }
}

#[test]
fn a_killed_writer_leaves_the_bytes_it_wrote_and_the_next_writer_goes_on() {
    let seed = env::var("VUART_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| u64::from(since.subsec_nanos()) | since.as_secs() << 32)
    });
    println!("VUART_SEED={seed}");
    let mut random = Random(seed);
    let mut moments = Moments::default();
    let mut written = 0;
    for number in 0..RINGS {
        let directory = (number % 3 == 0).then(|| tempfile::tempdir().expect("a directory"));
        let mut ring = Ring::new(&mut random, directory.as_ref());
        ring.note(ring.origin, ring.origin);
        for _ in 0..KILLS {
            let bytes = choose(&mut random, &[1, 100, 5000, 200_000]);
            let (bytes, moment) = (1 + random.below(bytes), Duration::from_nanos(random.below(1_000_000)));
            Victim::start(&ring, random.next()).kill(&ring.notes, bytes, moment);
            ring.check_left(&mut moments);
            let file = ring.file.try_clone().expect("a file descriptor");
            let end = Scrollback::load(&file).expect("a ring").end();
            let (mut writer, scrollback) =
                RingOptions::default().with_disk(true).adopt(file).expect("a dead writer's ring");
            assert_eq!((writer.end(), scrollback.end()), (end, end));
            ring.go_on(&mut writer, &mut random);
        }
        written += ring.notes.finished().load(Relaxed) - ring.origin;
    }
    println!("{} kills after {written} bytes: {moments:?}", RINGS * KILLS);
    assert_eq!(moments.outside + moments.inside, RINGS * KILLS);
    assert!(moments.inside > 0 && moments.in_flight > 0, "none was in the midst of writing");
}

/// The victim had noted the first byte (`begun`), and not written it yet.
#[test]
fn killed_before_the_first_byte() {
    for seed in 0..8 {
        let mut ring = Ring::new(&mut Random(seed), None);
        ring.note(ring.origin, ring.origin);
        ring.notes.begun().store(ring.origin + 1, Relaxed);
        let mut moments = Moments::default();
        ring.check_left(&mut moments);
        assert_eq!((moments.inside, moments.in_flight, ring.lives), (1, 1, vec![ring.origin]));
    }
}

/// Kills hardly ever meet this short moment: the boot head has taken bytes over, and the announcement that removes them from the ring,
/// with the bytes before the boot, has not been made yet.
#[test]
fn killed_between_the_boot_head_and_the_announcement() {
    let (mut writer, scrollback) =
        RingOptions::new(4096).with_boot_head(64).create_memfd("ring").expect("a ring");
    let pattern = Pattern::new();
    writer.extend(pattern.at(0, 0, 1000));
    assert_eq!(writer.mark(), 1000);
    writer.extend(pattern.at(0, 1000, 4864 - 1000));
    assert_eq!((scrollback.oldest(), scrollback.end()), (768, 4864));
    // The next byte's granule is for that of the offsets 768 to 1024. 24 bytes of them are the boot's.
    let file = scrollback.file().expect("a memfd");
    let write = |at, bytes: &[u8]| file.write_all_at(bytes, at).expect("a memfd takes it");
    write(4096 + 4096, pattern.at(0, 1000, 24));
    write(8 * 19, &1024_u64.to_ne_bytes());

    for left in
        [&scrollback, &Scrollback::load(file).expect("a ring"), &Scrollback::map(file).expect("a ring")]
    {
        assert_eq!((left.oldest(), left.end()), (768, 4864));
        let mut buf = [0; 8192];
        for from in [0, 768, 900, 1000, 1010, 1024, 2000] {
            let read = left.read_at(from, &mut buf);
            assert_eq!((read.start, read.missed), (from.max(768), 768_u64.saturating_sub(from)));
            assert!(buf[..read.len()] == *pattern.at(0, read.start, read.len()));
            assert_eq!(read.next, 4864, "from {from}: {read:?}");
        }
    }
}
