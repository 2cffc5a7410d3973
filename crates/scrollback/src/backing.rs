//! The file or `memfd` that a ring lives in.

use std::{
    fs::{File, TryLockError},
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstatfs, memfd_create,
};
use vuart_mapping::{Mapping, PAGE, View, WORD};

use crate::{
    FileError, LayoutError, Scrollback,
    geometry::Geometry,
    layout::{BOOT, FIXED, INTENT, KEPT, TAIL},
    memory::{Memory, MemoryView},
    offsets::Offsets,
    sync::{Ordering, fence},
};

/// Shows that a writer has the ring, as long as this is open. It is a lock of `flock(2)`, which the kernel releases when a process ends in
/// any way. (It is closed and never unlocked: a forked child that drops its copy of the writer must not unlock it for the parent. Such a
/// child keeps the lock when the parent has gone.)
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(file: &File) -> Result<Self, FileError> {
        // Opening a pipe again, above all, would wait.
        if !file.metadata().map_err(FileError::io("look at"))?.is_file() {
            return Err(LayoutError::NotARing.into());
        }
        // The lock belongs to an open file description. Other processes may share the given one, as with a memfd that was handed on, so
        // the lock needs a description of its own.
        let own = match File::open(format!("/proc/self/fd/{}", file.as_raw_fd())) {
            // Only without /proc: otherwise two writers would each take themselves for the only one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => file.try_clone(),
            own => own,
        };
        let file = own.map_err(FileError::io("open"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse),
            Err(TryLockError::Error(error)) => Err(FileError::io("lock")(error)),
        }
    }
}

/// Makes an empty `memfd` of that length, sealed against shrinking and growing.
pub(crate) fn memfd(name: &str, len: u64) -> Result<File, FileError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Since Linux 6.3 a flag says that it is not executable. Older kernels do not know the flag.
    let file = memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| memfd_create(name, flags));
    let file = File::from(file.map_err(io::Error::from).map_err(FileError::io("create"))?);
    file.set_len(len).map_err(FileError::io("enlarge"))?;
    add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(file)
}

pub(crate) fn seal(file: Option<&File>) -> Result<(), FileError> {
    let file = file.ok_or(io::ErrorKind::Unsupported.into()).map_err(FileError::io("seal"))?;
    add_seals(file, SealFlags::FUTURE_WRITE | SealFlags::SEAL)
}

/// Seals a `memfd` against shrinking and growing, if it is one and its maker has allowed that. Other files have no seals.
pub(crate) fn guard(file: &File) {
    let _ = fcntl_add_seals(file, SealFlags::SHRINK | SealFlags::GROW);
}

/// Whether a process that may write the file can make it shorter.
pub(crate) fn can_shrink(file: &File) -> bool {
    !fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}

fn add_seals(file: &File, seals: SealFlags) -> Result<(), FileError> {
    fcntl_add_seals(file, seals).map_err(io::Error::from).map_err(FileError::io("seal"))
}

pub(crate) fn len(file: &File) -> Result<u64, FileError> {
    Ok(file.metadata().map_err(FileError::io("look at"))?.len())
}

/// Makes an empty file that long, and reserves its memory. A hole that cannot be filled later would be SIGBUS.
pub(crate) fn reserve(file: &File, len: u64) -> Result<(), FileError> {
    match fallocate(file, FallocateFlags::empty(), 0, len).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => write_zeros(file, len),
        result => result,
    }
    .map_err(FileError::io("reserve"))
}

/// Fills the holes of a file that is a ring: a copied file may have some. A `memfd` needs it not, because its file system is never full.
pub(crate) fn fill_holes(file: &File, len: u64) -> Result<(), FileError> {
    if !can_shrink(file) {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, len).map_err(io::Error::from) {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(FileError::io("reserve")(error)),
        _ => Ok(()),
    }
}

/// Whether a file of that length is all zero, as a process leaves it that is killed while it makes a ring.
pub(crate) fn is_unfinished(file: &File, len: u64) -> Result<bool, FileError> {
    let mut buf = [0; PAGE];
    let mut at = 0;
    while at < len {
        match file.read_at(&mut buf, at).map_err(FileError::io("read"))? {
            0 => return Ok(false),
            count if buf[..count].iter().any(|byte| *byte != 0) => return Ok(false),
            count => at += count as u64,
        }
    }
    Ok(true)
}

fn write_zeros(file: &File, len: u64) -> io::Result<()> {
    let zeros = [0; PAGE];
    let mut at = 0;
    while at < len {
        // Both the length and the zeros are whole words.
        let rest = usize::try_from(len - at).unwrap_or(usize::MAX).min(PAGE);
        file.write_all_at(&zeros[..rest], at)?;
        at += rest as u64;
    }
    Ok(())
}

/// Whether the file's pages are memory that the kernel does not write back to a disk.
pub(crate) fn is_memory(file: &File) -> Result<bool, FileError> {
    /// `TMPFS_MAGIC`, `RAMFS_MAGIC` and `HUGETLBFS_MAGIC` of `linux/magic.h`. A `memfd` is one of the first or the last.
    const MEMORY: [u32; 3] = [0x0102_1994, 0x8584_58F6, 0x9584_58F6];
    let stat = fstatfs(file).map_err(io::Error::from).map_err(FileError::io("look at"))?;
    // The field's width depends on the architecture. These bits are the same in all.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let magic = stat.f_type as u32;
    Ok(MEMORY.contains(&magic))
}

/// Reads the words that never change, and the others, by `read(2)`, in ascending order.
pub(crate) fn header(file: &File) -> Result<([u64; FIXED], Offsets), FileError> {
    let words = read_words::<FIXED>(file, 0)?;
    // The fences order the reads, as far as the language can order a kernel's reads: `tail` and `kept` before the others (R1, H1).
    fence(Ordering::Acquire);
    let [tail] = read_words(file, TAIL)?;
    let [kept] = read_words(file, KEPT)?;
    fence(Ordering::Acquire);
    let [intent, boot] = read_words(file, INTENT)?;
    Ok((words, Offsets { tail, intent, boot, kept }))
}

const _: () = assert!(INTENT + 1 == BOOT, "`header` reads both at once");

fn read_words<const COUNT: usize>(file: &File, at: usize) -> Result<[u64; COUNT], FileError> {
    let mut words = [[0; WORD]; COUNT];
    file.read_exact_at(words.as_flattened_mut(), (at * WORD) as u64).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => LayoutError::NotARing.into(),
        _ => FileError::io("read")(error),
    })?;
    Ok(words.map(u64::from_ne_bytes))
}

/// Maps a file whose length was that of the geometry just now.
pub(crate) fn memory(file: &File, geometry: &Geometry) -> Result<Memory, FileError> {
    let mapping = Mapping::of_file(file).map_err(FileError::io("map"))?;
    check_mapped(mapping.body().len(), file, geometry)?;
    Ok(Memory::new(mapping, geometry).ok_or(LayoutError::NotARing)?)
}

/// Checks the length again: the file may have become shorter. (If it does so from now on, that is SIGBUS.)
fn check_mapped(words: usize, file: &File, geometry: &Geometry) -> Result<(), FileError> {
    if words * WORD < geometry.body() {
        return Err(LayoutError::Length { expected: geometry.file_len(), found: len(file)? }.into());
    }
    Ok(())
}

pub(crate) fn map(file: &File) -> Result<Scrollback, FileError> {
    let (words, offsets) = header(file)?;
    let geometry = Geometry::from_words(words, len(file)?)?;
    let view = View::of_file(file).map_err(FileError::io("map"))?;
    check_mapped(view.body().len(), file, &geometry)?;
    Ok(Scrollback::of(MemoryView::new(view), geometry, offsets.tail))
}

/// Reads all readable bytes, with the file in place of the memory: `tail` and `kept` before the cells (R1, H1), `intent` and `boot` after
/// them (R5, H5).
pub(crate) fn load(file: &File) -> Result<Scrollback, FileError> {
    let (words, before) = header(file)?;
    let geometry = Geometry::from_words(words, len(file)?)?;
    // True of a ring that is being written, too, because `tail` was read first.
    if !(geometry.origin <= before.tail && before.tail <= before.intent) {
        return Err(LayoutError::Offsets.into());
    }
    let mapping = Mapping::anonymous(geometry.body()).map_err(FileError::io("find memory for"))?;

    let oldest = geometry.oldest(before.intent);
    let readable = before.tail.saturating_sub(oldest).min(geometry.capacity as u64);
    #[expect(clippy::cast_possible_truncation, reason = "at most the capacity")]
    let (run, wrapped) = geometry.runs(before.tail - readable, readable as usize);
    // An empty or damaged head is left out.
    let head = geometry.head_run(before.boot, before.boot, before.kept);
    let kept = if head.is_some() { before.kept } else { geometry.origin };
    let head = head.unwrap_or_default();
    for cells in [run.start / WORD..run.end.div_ceil(WORD), 0..wrapped.end.div_ceil(WORD), head] {
        let mut buf = [[0; WORD]; 512];
        for first in cells.clone().step_by(buf.len()) {
            let count = buf.len().min(cells.end - first);
            let at = (PAGE + first * WORD) as u64;
            file.read_exact_at(buf[..count].as_flattened_mut(), at).map_err(FileError::io("read"))?;
            for (word, bytes) in mapping.body()[first..].iter().zip(&buf[..count]) {
                word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
            }
        }
    }
    fence(Ordering::Acquire);
    let (_, after) = header(file)?;
    // A boot that began during the copy is not part of it. The boot before has lost its head.
    let (boot, kept) = match (after.boot, before.boot) {
        (boot, _) if boot <= before.tail => (boot, kept),
        (_, boot) => (boot.min(before.tail), geometry.origin),
    };
    let intent = after.intent.max(before.intent);
    // All bytes may have been overwritten during the copy. The copy is then an empty ring, at an offset that the writer has passed.
    let offsets = Offsets { tail: before.tail.max(geometry.oldest(intent)), intent, boot, kept };
    let memory = Memory::new(mapping, &geometry).ok_or(LayoutError::NotARing)?;
    memory.publish(offsets);
    Ok(Scrollback::of(memory.view(), geometry, offsets.tail))
}
