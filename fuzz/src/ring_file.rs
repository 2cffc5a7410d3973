//! Fuzzing of the file that holds a ring: any file is either refused, or works as a ring.

use std::fs::File;
use std::os::unix::fs::FileExt;

use arbitrary::{Arbitrary, Result, Unstructured};
use rustix::fs::{MemfdFlags, memfd_create};
use vuart::scrollback::{FileError, Position, RingOptions, Scrollback, Writer};

/// The places of the header's words that a writer changes. `vuart::scrollback::layout` documents all of them.
const TAIL: usize = 16;
const INTENT: usize = 17;
const BOOT: usize = 18;
const KEPT: usize = 19;
/// The number of the header's words that readers use.
const WORDS: usize = 20;
/// The number of bytes before the cells.
const PAGE: usize = 4096;

/// The most steps of a kind in one run, to keep it short.
const STEPS_MAX: usize = 64;

/// A file, and the actions on it.
#[derive(Debug, Clone, Arbitrary)]
pub struct RingFile {
    content: Content,
    /// The offsets to read at, and the number of bytes to read there.
    reads: Vec<(u64, u16)>,
    /// The positions to look up.
    positions: Vec<Place>,
    /// The actions of the next writer.
    writes: Vec<Write>,
}

/// The content of a file.
#[derive(Debug, Clone, Arbitrary)]
enum Content {
    /// Any bytes.
    Any(Vec<u8>),
    /// A ring that is often valid.
    Ring(Box<Ring>),
}

/// A header as a writer leaves it, sometimes with one word changed, and a body that repeats itself.
#[derive(Debug, Clone)]
struct Ring {
    words: [u64; WORDS],
    /// The file's length in bytes.
    len: usize,
    body: [u8; 61],
}

impl<'a> Arbitrary<'a> for Ring {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let capacity = 4096_u64 << bytes.int_in_range(0..=3)?;
        let granule = (capacity / 16).min(4096);
        let head = *bytes.choose(&[0, 8, 1000, 8192])?;
        let origin = *bytes.choose(&[0, 0, 5, 12_288, 12_288, (1 << 63) - 100_000, 1 << 63])?;
        let tail: u64 = origin + bytes.int_in_range(0..=4 * capacity)?;
        let intent = tail.next_multiple_of(granule) + granule * bytes.choose(&[0, 0, 0, 1, 2])?;
        let boot = origin + bytes.int_in_range(0..=tail - origin)?;
        let kept = if bytes.ratio(1, 8)? {
            origin
        } else {
            // The end of what the ring has overwritten, sometimes a little before it.
            let oldest = intent.saturating_sub(capacity);
            oldest.clamp(boot, boot + head).saturating_sub(*bytes.choose(&[0, 0, 0, 8])?)
        };
        let mut words = [0; WORDS];
        words[..5].copy_from_slice(&[u64::from_ne_bytes(*b"vuartrng"), 1, capacity, head, origin]);
        if cfg!(target_endian = "big") {
            words[0] = words[0].swap_bytes();
        }
        words[TAIL..].copy_from_slice(&[tail, intent, boot, kept]);
        let cells = if head == 0 { 0 } else { head + 8 };
        let mut len = PAGE as u64 + capacity + cells;
        if bytes.ratio(1, 4)? {
            let word = *bytes.choose(&[0, 1, 2, 3, 4, TAIL, INTENT, BOOT, KEPT])?;
            words[word] = if bytes.arbitrary()? {
                words[word].wrapping_add_signed(bytes.arbitrary::<i16>()?.into())
            } else {
                bytes.arbitrary()?
            };
        }
        if bytes.ratio(1, 16)? {
            len = len.saturating_add_signed(bytes.arbitrary::<i16>()?.into());
        }
        let len = usize::try_from(len).unwrap_or_default();
        Ok(Self { words, len, body: bytes.arbitrary()? })
    }
}

/// A [`Position`], which a fuzzer can make.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Place {
    Offset(u64),
    Oldest,
    Boot,
    Newest(u64),
    NewestLines(u64),
    End,
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        match place {
            Place::Offset(offset) => Self::Offset(offset),
            Place::Oldest => Self::Oldest,
            Place::Boot => Self::Boot,
            Place::Newest(bytes) => Self::Newest(bytes),
            Place::NewestLines(lines) => Self::NewestLines(lines),
            Place::End => Self::End,
        }
    }
}

/// One action of a writer.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Write {
    Push(u8),
    /// A number of bytes that count up, and the first of them.
    Extend(u16, u8),
    Mark,
}

impl RingFile {
    /// Makes the file, in memory.
    fn file(&self) -> File {
        let file = File::from(memfd_create("ring", MemfdFlags::CLOEXEC).expect("memory"));
        let content = match &self.content {
            Content::Any(bytes) => bytes.clone(),
            Content::Ring(ring) => {
                let Ring { words, len, body } = &**ring;
                let header = words.iter().flat_map(|word| word.to_ne_bytes());
                let header = header.chain(std::iter::repeat(0)).take(PAGE);
                header.chain(body.iter().copied().cycle()).take(*len).collect()
            }
        };
        file.write_all_at(&content, 0).expect("memory");
        file
    }
}

/// Loads, maps and adopts the file, and uses what was not refused.
///
/// # Panics
///
/// If a read does not account for its offsets, a loaded ring has no end, or an adopted ring does not keep what is
/// written to it.
pub fn check(input: &RingFile) {
    let file = input.file();
    let loaded = Scrollback::load(&file);
    if let Ok(loaded) = &loaded {
        look(loaded, input);
        // It never changes, so it can be read to its end, which is not far.
        let most = loaded.capacity() + loaded.boot_head();
        assert!(read_on(loaded, 0, usize::MAX).len() <= most);
    }
    let opened = vuart::scrollback::RingFile::new(file.try_clone().expect("a file descriptor"));
    if let Ok(opened) = &opened {
        look_into(opened, input);
    }
    let mapped = Scrollback::map(&file);
    if let Ok(mapped) = &mapped {
        look(mapped, input);
        // The writer may never stop, so the number of reads is limited.
        read_on(mapped, mapped.oldest(), STEPS_MAX);
    }
    if let Ok((writer, scrollback)) =
        RingOptions::default().adopt(file.try_clone().expect("a file descriptor"))
    {
        let read = loaded.is_ok() && mapped.is_ok() && opened.is_ok();
        assert!(read, "a file that can be adopted can also be loaded, mapped and read");
        let twice = RingOptions::default().adopt(file.try_clone().expect("a file descriptor"));
        assert!(matches!(twice, Err(FileError::InUse)));
        go_on(writer, &scrollback, input);
        look(&scrollback, input);
        let end = Scrollback::load(&file).expect("a ring that was adopted").end();
        assert_eq!(end, scrollback.end());
    }
}

/// Reads from the file at the offsets and positions of the input. Nothing changes it meanwhile, so nothing fails.
fn look_into(ring: &vuart::scrollback::RingFile, input: &RingFile) {
    let mut buf = vec![0; usize::from(u16::MAX)];
    let end = ring.end().expect("a sound header");
    for (offset, len) in input.reads.iter().take(STEPS_MAX) {
        for from in [*offset, end.wrapping_sub(*offset)] {
            let read = ring.read_at(from, &mut buf[..usize::from(*len)]).expect("a sound header");
            assert_eq!(read.start - from, read.missed);
            assert!(read.len() <= usize::from(*len));
        }
    }
    for place in input.positions.iter().take(STEPS_MAX) {
        let offset = ring.offset((*place).into()).expect("a sound header");
        assert!(matches!(place, Place::Offset(_)) || offset <= end);
    }
}

/// Reads at the offsets and positions of the input.
fn look(scrollback: &Scrollback, input: &RingFile) {
    let mut buf = vec![0; usize::from(u16::MAX)];
    for (offset, len) in input.reads.iter().take(STEPS_MAX) {
        // The offset itself, and one near each end of the ring.
        for from in
            [*offset, scrollback.oldest().wrapping_add(*offset), scrollback.end().wrapping_sub(*offset)]
        {
            let read = scrollback.read_at(from, &mut buf[..usize::from(*len)]);
            assert_eq!(read.start - from, read.missed);
            assert!(read.len() <= usize::from(*len));
        }
    }
    for place in input.positions.iter().take(STEPS_MAX) {
        let offset = scrollback.offset((*place).into());
        if matches!(place, Place::Newest(_) | Place::NewestLines(_)) {
            assert!(offset <= scrollback.end());
        }
        let _ = scrollback.reader_at(offset).read(&mut buf[..100]);
    }
    let _ = scrollback.touch_ahead(4096);
    let _ = format!("{scrollback:?}");
}

/// Reads to the end, with at most `reads` reads.
fn read_on(scrollback: &Scrollback, from: u64, reads: usize) -> Vec<u8> {
    let mut reader = scrollback.reader_at(from);
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    for _ in 0..reads {
        let before = reader.cursor();
        let read = reader.read(&mut buf);
        assert_eq!((read.start - before, read.next), (read.missed, reader.cursor()));
        if read.is_empty() && read.missed == 0 {
            break;
        }
        all.extend_from_slice(&buf[..read.len()]);
    }
    all
}

/// Writes to an adopted ring, and reads what was written.
fn go_on(mut writer: Writer, scrollback: &Scrollback, input: &RingFile) {
    let begin = writer.end();
    assert!(scrollback.oldest() <= begin && scrollback.boot() <= begin && scrollback.end() == begin);
    let mut written = Vec::new();
    for write in input.writes.iter().take(STEPS_MAX) {
        match *write {
            Write::Push(byte) => {
                writer.push(byte);
                written.push(byte);
            }
            Write::Extend(len, first) => {
                let bytes: Vec<u8> = (first..=250).chain(0..=250).cycle().take(len.into()).collect();
                writer.extend(&bytes);
                written.extend_from_slice(&bytes);
            }
            Write::Mark => assert_eq!(writer.mark(), begin + written.len() as u64),
        }
        let end = begin + written.len() as u64;
        assert_eq!((writer.end(), scrollback.end()), (end, end));
    }
    let promised = written.len().min(scrollback.retained());
    let from = begin + (written.len() - promised) as u64;
    assert!(read_on(scrollback, from, usize::MAX) == written[written.len() - promised..]);
    // The boot head keeps the beginning of the boot's output.
    let boot = scrollback.boot();
    if let Some(at) = boot.checked_sub(begin).and_then(|at| usize::try_from(at).ok()) {
        let head = &written[at..(at + scrollback.boot_head()).min(written.len())];
        let mut buf = vec![0; head.len()];
        let read = scrollback.read_at(boot, &mut buf);
        let got = if head.is_empty() { &[] } else { &buf[..read.len()] };
        assert!(read.missed == 0 || head.is_empty(), "{read:?}");
        assert!(*got == head[..got.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the fuzzer does not only make files that are refused.
    #[test]
    fn arbitrary_files_are_often_rings() {
        let (mut adopted, mut loaded) = (0, 0);
        for seed in 0..200_u64 {
            let bytes: Vec<u8> = (0..200_u64)
                .map(|at| (seed * 1000 + at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[3])
                .collect();
            let Ok(ring) = Ring::arbitrary(&mut Unstructured::new(&bytes)) else { continue };
            let writes = vec![Write::Push(1), Write::Mark, Write::Extend(10_000, seed.to_le_bytes()[0])];
            let positions = vec![Place::Oldest, Place::NewestLines(3), Place::Boot, Place::End];
            let reads = vec![(0, 4096), (u64::MAX, 5), (seed, 300)];
            let input = RingFile { content: Content::Ring(Box::new(ring)), reads, positions, writes };
            let file = input.file();
            loaded += usize::from(Scrollback::load(&file).is_ok());
            adopted += usize::from(RingOptions::default().adopt(file).is_ok());
            check(&input);
        }
        assert!(loaded > 100 && adopted > 50, "of 200, {loaded} can be loaded and {adopted} adopted");
    }
}
