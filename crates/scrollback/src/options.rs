//! How a ring comes to be: in this process's memory, in a `memfd`, in a file, or from one that another writer has left.

use std::{fs::File, sync::Arc};

use vuart_mapping::Mapping;

use crate::{
    CapacityError, FileError, LayoutError, OptionsError, Scrollback, Writer,
    backing::{self, Lock},
    geometry::Geometry,
    memory::Memory,
    offsets::Offsets,
    sync::Ordering,
};

/// What a ring is to be like, and the ways to make it.
///
/// ```
/// use vuart_scrollback::RingOptions;
///
/// let options = RingOptions::new(1 << 20).with_boot_head(64 << 10);
/// let (mut writer, scrollback) = options.create_memfd("com1")?;
/// writer.extend(b"Linux version 6.1\n");
///
/// // The file descriptor, kept by a supervisor, outlives this process. Another one goes on with it:
/// let file = scrollback.file().expect("a ring in a memfd").try_clone()?;
/// drop((writer, scrollback));
/// let (mut writer, scrollback) = RingOptions::default().adopt(file)?;
/// writer.extend(b"Command line: console=ttyS0\n");
/// assert_eq!((scrollback.oldest(), scrollback.end()), (0, 46));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingOptions {
    capacity: usize,
    head: usize,
    start: u64,
    prefault: bool,
    disk: bool,
}

impl Default for RingOptions {
    /// A megabyte.
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

impl RingOptions {
    /// A ring of `capacity` bytes, a power of two from [`Scrollback::MIN_CAPACITY`] to
    /// [`Scrollback::MAX_CAPACITY`], whose first byte has the offset 0, without a boot head.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, head: 0, start: 0, prefault: false, disk: false }
    }

    /// The same, which keeps the first `bytes` bytes of the newest boot (rounded up to 8) when the ring has
    /// overwritten them: see [`Writer::mark`]. At most [`Scrollback::MAX_CAPACITY`]; 0 for none.
    ///
    /// A push pays nothing for it. While the ring takes these bytes from its readers, one push in a granule (4
    /// KiB) copies a granule.
    #[must_use]
    pub fn with_boot_head(self, bytes: usize) -> Self {
        Self { head: bytes, ..self }
    }

    /// The same, with another offset of the first byte: see [`Scrollback::starting_at`].
    #[must_use]
    pub fn with_start(self, offset: u64) -> Self {
        Self { start: offset, ..self }
    }

    /// The same, with all of its memory touched when it is made: the writer takes no page fault later, and the
    /// console takes its memory even if the guest writes nothing. [`Scrollback::touch_ahead`] is the way between.
    #[must_use]
    pub fn with_prefault(self, prefault: bool) -> Self {
        Self { prefault, ..self }
    }

    /// The same, allowed to live in a file on a disk. It is not otherwise, because the kernel writes such a
    /// file's pages back every few seconds, and the guest's next byte to each of them then waits for the file
    /// system, if not for the disk. (What has to be on a disk is better copied there by a reader.) Memory means
    /// `tmpfs` (`/dev/shm`, mostly `/run`), `ramfs`, huge pages and `memfd`.
    #[must_use]
    pub fn with_disk(self, disk: bool) -> Self {
        Self { disk, ..self }
    }

    /// A ring in memory of this process alone.
    ///
    /// # Errors
    ///
    /// When no ring can have these options, or there is not so much memory.
    pub fn create(self) -> Result<(Writer, Scrollback), OptionsError> {
        let geometry = self.geometry()?;
        let mapping = Mapping::anonymous(geometry.body()).ok();
        let memory = mapping
            .and_then(|mapping| Memory::new(mapping, &geometry))
            .ok_or(CapacityError::OutOfMemory { bytes: geometry.body() })?;
        Ok(self.begin(memory, geometry, None, None))
    }

    /// A ring in a `memfd` of that name (which `/proc` shows, and nothing else). It lives for as long as somebody
    /// has a file descriptor of it, or a mapping: [`Scrollback::file`] is to be handed on, over a Unix socket or
    /// to a child.
    ///
    /// It is sealed against shrinking and growing, so that nobody who has it can make this process fault. See
    /// [`Scrollback::seal`] for those who are not to write into it.
    ///
    /// # Errors
    ///
    /// When no ring can have these options, or the operating system refuses.
    pub fn create_memfd(self, name: &str) -> Result<(Writer, Scrollback), FileError> {
        let geometry = self.geometry()?;
        let file = backing::memfd(name, geometry.file_len())?;
        let lock = Lock::take(&file)?;
        self.create_mapped(file, geometry, lock)
    }

    /// A ring in an empty file (or one that a process has left which was killed while it did this) that is open
    /// for reading and writing. Its name outlives a VMM that is killed: `vuart log FILE` prints what the guest
    /// wrote, and the next VMM can [adopt](Self::adopt) it.
    ///
    /// The file's memory is reserved at once, so that a file system that is full later makes no guest fail. Keep the file
    /// to yourself (mode 0600): who may truncate it can end this process.
    ///
    /// # Errors
    ///
    /// When no ring can have these options, the file is [not empty](FileError::NotEmpty), [on a
    /// disk](FileError::OnDisk) or [somebody's](FileError::InUse), or the operating system refuses.
    pub fn create_in(self, file: File) -> Result<(Writer, Scrollback), FileError> {
        let geometry = self.geometry()?;
        self.check_disk(&file)?;
        let lock = Lock::take(&file)?;
        let len = backing::len(&file)?;
        if len != 0 && !(len == geometry.file_len() && backing::is_unfinished(&file, len)?) {
            return Err(FileError::NotEmpty);
        }
        let empty = file.try_clone().map_err(FileError::io("open"))?;
        let created = backing::reserve(&file, geometry.file_len())
            .and_then(|()| self.create_mapped(file, geometry, lock));
        if created.is_err() {
            // As good as it was when it came; there is nothing to do about a failure.
            let _ = empty.set_len(0);
        }
        created
    }

    /// A ring that another writer has left, whether it was dropped or its process was killed, in a `memfd` or a
    /// file that is open for reading and writing: this one goes on with the same offsets, after the last byte
    /// that was readable.
    ///
    /// Capacity, boot head and first offset are those of the file; of these options, [prefault](Self::with_prefault) and
    /// [disk](Self::with_disk) count. For a new boot call [`Writer::mark`] next.
    ///
    /// The lock that shows whether a writer has the ring is `flock(2)`'s, on a file descriptor of the writer's
    /// own. (It comes by way of `/proc/self/fd`. Where there is no `/proc` it is the given one's, and of those
    /// who share that, it can't tell one from the other. Whoever may open the file can take the lock, too, and
    /// keep a ring from being adopted.)
    ///
    /// # Errors
    ///
    /// When it is [not a ring, or damaged](FileError::Layout), [somebody's](FileError::InUse), [on a
    /// disk](FileError::OnDisk), or the operating system refuses. Nothing in the file is changed then.
    pub fn adopt(self, file: File) -> Result<(Writer, Scrollback), FileError> {
        self.check_disk(&file)?;
        let lock = Lock::take(&file)?;
        let (words, offsets) = backing::header(&file)?;
        let geometry = Geometry::from_words(words, backing::len(&file)?)?;
        if !offsets.are_possible(&geometry) {
            return Err(LayoutError::Offsets.into());
        }
        backing::fill_holes(&file, geometry.file_len())?;
        let memory = backing::memory(&file, &geometry)?;
        Ok(self.hand_out(memory, geometry, offsets, Some(file), Some(lock)))
    }

    fn geometry(&self) -> Result<Geometry, OptionsError> {
        Geometry::new(self.capacity, self.head, self.start)
    }

    fn check_disk(&self, file: &File) -> Result<(), FileError> {
        if self.disk || backing::is_memory(file)? { Ok(()) } else { Err(FileError::OnDisk) }
    }

    fn create_mapped(
        self,
        file: File,
        geometry: Geometry,
        lock: Lock,
    ) -> Result<(Writer, Scrollback), FileError> {
        let memory = backing::memory(&file, &geometry)?;
        Ok(self.begin(memory, geometry, Some(file), Some(lock)))
    }

    /// A ring without bytes, in memory that is all zero.
    fn begin(
        self,
        memory: Memory,
        geometry: Geometry,
        file: Option<File>,
        lock: Option<Lock>,
    ) -> (Writer, Scrollback) {
        let offsets = Offsets::at(geometry.origin);
        memory.publish(offsets);
        memory.describe(geometry.to_words());
        self.hand_out(memory, geometry, offsets, file, lock)
    }

    fn hand_out(
        self,
        memory: Memory,
        geometry: Geometry,
        offsets: Offsets,
        file: Option<File>,
        lock: Option<Lock>,
    ) -> (Writer, Scrollback) {
        let scrollback = Scrollback::of(memory.view(), geometry, file.map(Arc::new), offsets.tail);
        if self.prefault && scrollback.touch_all().is_err() {
            // Before Linux 5.14. Nobody else stores, so nothing can come between the load and the store.
            for word in memory.body().iter().step_by(vuart_mapping::PAGE / vuart_mapping::WORD) {
                word.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        (Writer::new(memory, scrollback.clone(), offsets, lock), scrollback)
    }
}

impl Scrollback {
    /// A ring of `capacity` bytes, a power of two from [`MIN_CAPACITY`](Self::MIN_CAPACITY) to
    /// [`MAX_CAPACITY`](Self::MAX_CAPACITY), and its one writer. The first byte will have offset 0.
    ///
    /// The memory belongs to this process, and its pages are touched when the writer comes to them.
    /// [`RingOptions`] have the rest: memory that outlives the process, a boot head, pages touched beforehand.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] if the capacity is not such a number, or if there is not enough memory.
    pub fn new(capacity: usize) -> Result<(Writer, Self), CapacityError> {
        match Self::starting_at(capacity, 0) {
            Err(OptionsError::Capacity(error)) => Err(error),
            // Nothing else can be wrong with offset 0 and no boot head.
            Err(_) => Err(CapacityError::OutOfMemory { bytes: capacity }),
            Ok(ring) => Ok(ring),
        }
    }

    /// Like [`new`](Self::new), but the first byte will have the offset `start`: a console that was restored from a
    /// snapshot goes on with its offsets. What is before `start` is a hole, as if overwritten.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] if the capacity is refused or `start` is past [`MAX_START`](Self::MAX_START).
    pub fn starting_at(capacity: usize, start: u64) -> Result<(Writer, Self), OptionsError> {
        RingOptions::new(capacity).with_start(start).create()
    }

    /// The ring of another process, which may write it now: its [file](Self::file), open for reading, mapped
    /// read-only. What it writes arrives here by itself. A reader of another process can't be woken by the
    /// writer, and polls.
    ///
    /// What is said of a ring holds for as long as its writer alone writes it. Of a file that somebody spoils,
    /// the offsets may decrease and the bytes be any; a read harms nobody all the same.
    ///
    /// Whoever can make the file shorter can end this process with SIGBUS: map what is a sealed `memfd`, or comes
    /// from somebody you trust, and [`load`](Self::load) the rest.
    ///
    /// # Errors
    ///
    /// When it is not a ring, or its header is damaged, or the operating system refuses.
    pub fn map(file: &File) -> Result<Self, FileError> {
        backing::map(file)
    }

    /// A copy of the ring in a file as it is at this moment, whether its writer is alive, was killed, or never
    /// was on this machine. It never changes. Only what the header says to be readable is copied.
    ///
    /// The file is not mapped, so nothing that happens to it meanwhile harms; at worst bytes are missing, and declared.
    ///
    /// # Errors
    ///
    /// When it is not a ring, or its header is damaged, or the operating system refuses.
    pub fn load(file: &File) -> Result<Self, FileError> {
        backing::load(file)
    }

    /// Seals the `memfd` that the ring lives in, so that nobody can write into it any more but the writer that it
    /// has: for a file descriptor that is handed to somebody who is only to read. The ring can't be
    /// [adopted](RingOptions::adopt) afterwards. This can't be undone.
    ///
    /// # Errors
    ///
    /// When the ring does not live in a `memfd` that this process may write, or Linux is older than 5.1.
    pub fn seal(&self) -> Result<(), FileError> {
        backing::seal(self.file())
    }
}
