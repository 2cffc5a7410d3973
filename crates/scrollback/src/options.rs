//! Making a ring: in this process's memory, in a `memfd`, in a file, or from a ring that another writer has left.

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

/// The options of a ring, and the ways to make it.
///
/// ```
/// use vuart_scrollback::RingOptions;
///
/// let options = RingOptions::new(1 << 20).with_boot_head(64 << 10);
/// let (mut writer, scrollback) = options.create_memfd("com1")?;
/// writer.extend(b"Linux version 6.1\n");
///
/// // A supervisor keeps the file descriptor, so it outlives this process. Another process goes on with it:
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
    /// A ring of a megabyte.
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

impl RingOptions {
    /// Starts with a ring of `capacity` bytes, without a boot head, whose first byte has the offset 0. The capacity is a power of two from
    /// [`Scrollback::MIN_CAPACITY`] to [`Scrollback::MAX_CAPACITY`].
    pub fn new(capacity: usize) -> Self {
        Self { capacity, head: 0, start: 0, prefault: false, disk: false }
    }

    /// Keeps the first `bytes` bytes of the newest boot after the ring has overwritten them: see [`Writer::mark`]. The number is rounded up
    /// to a multiple of 8. It is at most [`Scrollback::MAX_CAPACITY`]; 0 means no boot head.
    ///
    /// It costs a push nothing. While the ring overwrites these bytes, one push in a granule (4 KiB) copies a granule.
    #[must_use]
    pub fn with_boot_head(self, bytes: usize) -> Self {
        Self { head: bytes, ..self }
    }

    /// Sets the offset of the first byte: see [`Scrollback::starting_at`].
    #[must_use]
    pub fn with_start(self, offset: u64) -> Self {
        Self { start: offset, ..self }
    }

    /// Sets whether all memory is touched when the ring is made. The writer then takes no page fault later, and the console takes all its
    /// memory even if the guest writes nothing. [`Scrollback::touch_ahead`] is a compromise.
    #[must_use]
    pub fn with_prefault(self, prefault: bool) -> Self {
        Self { prefault, ..self }
    }

    /// Sets whether the ring may live in a file on a disk. By default it may not: the kernel writes the pages of such a file back every
    /// few seconds, and the guest's next byte to each page then waits for the file system, or even for the disk. To have output on a
    /// disk, let a reader copy it there. Files in `tmpfs` (`/dev/shm`, mostly `/run`), in `ramfs`, in huge pages and in a `memfd` are in
    /// memory.
    #[must_use]
    pub fn with_disk(self, disk: bool) -> Self {
        Self { disk, ..self }
    }

    /// Makes a ring in memory of this process alone.
    ///
    /// # Errors
    ///
    /// When no ring can have these options, or there is not enough memory.
    pub fn create(self) -> Result<(Writer, Scrollback), OptionsError> {
        let geometry = self.geometry()?;
        let mapping = Mapping::anonymous(geometry.body()).ok();
        let memory = mapping
            .and_then(|mapping| Memory::new(mapping, &geometry))
            .ok_or(CapacityError::OutOfMemory { bytes: geometry.body() })?;
        Ok(self.begin(memory, geometry, None, None))
    }

    /// Makes a ring in a `memfd`. Only `/proc` shows the name. The ring lives as long as a process has a file descriptor or a mapping of
    /// it. Hand [`Scrollback::file`] on, over a Unix socket or to a child.
    ///
    /// The `memfd` is sealed against shrinking and growing, so that no other process can make this process fault. Call
    /// [`Scrollback::seal`] before you hand it to a process that may only read.
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

    /// Makes a ring in an empty file that is open for reading and writing. A file that a process has left which was killed in this
    /// function counts as empty. The file's name outlives a VMM that is killed: [`Scrollback::load`] reads what the guest wrote, and
    /// the next VMM can [adopt](Self::adopt) the ring.
    ///
    /// The file's memory is reserved at once, so that a file system that is full later does not stop the guest.
    ///
    /// **A process that makes the file shorter ends this process with SIGBUS**, and no file system can prevent that: keep the file private
    /// (mode 0600), and `copytruncate` away from it. [`create_memfd`](Self::create_memfd) has not that weakness. [`open`](Self::open) opens
    /// a file by its name, and makes it private.
    ///
    /// # Errors
    ///
    /// When no ring can have these options; when the file is [not empty](FileError::NotEmpty), [on a disk](FileError::OnDisk) or [in
    /// use](FileError::InUse); or when the operating system refuses.
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
        if created.is_ok() {
            backing::guard(&empty);
        } else {
            // Leaves the file as it was. A failure of that changes nothing for the caller.
            let _ = empty.set_len(0);
        }
        created
    }

    /// Goes on with a ring that another writer has left in a `memfd` or a file that is open for reading and writing. That writer may have
    /// been dropped, or its process killed. The new writer continues the offsets after the last byte that was readable.
    ///
    /// A `memfd` is sealed against shrinking and growing, if its maker has allowed seals. Another file can be made shorter, which ends this
    /// process: see [`create_in`](Self::create_in). [`Scrollback::can_shrink`] says which it is.
    ///
    /// Capacity, boot head and first offset are those of the file. Of these options only [prefault](Self::with_prefault) and
    /// [disk](Self::with_disk) count. If a new boot begins, call [`Writer::mark`] next.
    ///
    /// A lock of `flock(2)`, on a file descriptor of the writer's own, shows whether the ring has a writer. (The writer opens it by
    /// `/proc/self/fd`. Without `/proc` the lock is on the given file descriptor, and cannot tell the processes apart that share that one.
    /// A process that may open the file can take the lock as well, and so keep others from adopting the ring.)
    ///
    /// # Errors
    ///
    /// When the file holds [no ring, or a damaged one](FileError::Layout); when it is [in use](FileError::InUse) or [on a
    /// disk](FileError::OnDisk); or when the operating system refuses. The file is unchanged then.
    pub fn adopt(self, file: File) -> Result<(Writer, Scrollback), FileError> {
        self.check_disk(&file)?;
        let lock = Lock::take(&file)?;
        let (words, offsets) = backing::header(&file)?;
        let geometry = Geometry::from_words(words, backing::len(&file)?)?;
        if !offsets.are_possible(&geometry) {
            return Err(LayoutError::Offsets.into());
        }
        // Before its length is checked for the last time, below.
        backing::guard(&file);
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

    /// Makes an empty ring in memory that is all zero.
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
        if self.prefault && scrollback.touched.touch_all(&scrollback.memory, &geometry).is_err() {
            // Before Linux 5.14. No other thread stores yet, so nothing can come between the load and the store.
            for word in memory.body().iter().step_by(vuart_mapping::PAGE / vuart_mapping::WORD) {
                word.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        (Writer::new(memory, scrollback.clone(), offsets, lock), scrollback)
    }
}

impl Scrollback {
    /// Makes a ring of `capacity` bytes, and its writer. The capacity is a power of two from [`MIN_CAPACITY`](Self::MIN_CAPACITY) to
    /// [`MAX_CAPACITY`](Self::MAX_CAPACITY). The first byte will have the offset 0.
    ///
    /// The memory belongs to this process, and the writer touches its pages when it comes to them. [`RingOptions`] has more: memory that
    /// outlives the process, a boot head, pages that are touched beforehand.
    ///
    /// # Errors
    ///
    /// When the capacity is not such a number, or there is not enough memory.
    pub fn new(capacity: usize) -> Result<(Writer, Self), CapacityError> {
        match Self::starting_at(capacity, 0) {
            Err(OptionsError::Capacity(error)) => Err(error),
            // With offset 0 and no boot head nothing else can be wrong.
            Err(_) => Err(CapacityError::OutOfMemory { bytes: capacity }),
            Ok(ring) => Ok(ring),
        }
    }

    /// Like [`new`](Self::new), with `start` as the offset of the first byte: a console that is restored from a snapshot continues its
    /// offsets. The bytes before `start` are a hole, as if overwritten.
    ///
    /// # Errors
    ///
    /// When the capacity is refused, or `start` is past [`MAX_START`](Self::MAX_START).
    pub fn starting_at(capacity: usize, start: u64) -> Result<(Writer, Self), OptionsError> {
        RingOptions::new(capacity).with_start(start).create()
    }

    /// Maps the ring of another process, which may still write it: `file` is its [file](Self::file), open for reading. New output arrives
    /// by itself. The writer cannot wake a reader in another process, so such a reader polls.
    ///
    /// The promises of a ring hold as long as only its writer writes it. If another process spoils the file, offsets may decrease and
    /// bytes may have any value. Reads stay harmless.
    ///
    /// A process that can make the file shorter can end this process with SIGBUS. Map a sealed `memfd` or a file that you trust, and
    /// [`load`](Self::load) all others.
    ///
    /// # Errors
    ///
    /// When the file holds no ring, the ring's header is damaged, or the operating system refuses.
    pub fn map(file: &File) -> Result<Self, FileError> {
        backing::map(file)
    }

    /// Copies the ring in a file as it is now. Its writer may be alive, or killed, or on another machine. The copy never changes. Only the
    /// bytes that are readable by the header are copied.
    ///
    /// The file is not mapped, so changes of the file during the copy are harmless. At worst bytes are missing, and reported as missed.
    /// [`RingFile`](crate::RingFile) reads a part of the file, and copies nothing else.
    ///
    /// # Errors
    ///
    /// When the file holds no ring, the ring's header is damaged, or the operating system refuses.
    pub fn load(file: &File) -> Result<Self, FileError> {
        backing::load(file)
    }

    /// Whether another process can make the ring's memory shorter, which ends this process with SIGBUS. It can if the ring is in a file, or in
    /// a `memfd` whose maker has not allowed seals.
    ///
    /// ```
    /// # use vuart_scrollback::RingOptions;
    /// let (_writer, scrollback) = RingOptions::default().create_memfd("com1")?;
    /// assert!(!scrollback.can_shrink());
    /// # Ok::<(), vuart_scrollback::FileError>(())
    /// ```
    pub fn can_shrink(&self) -> bool {
        self.file().is_some_and(backing::can_shrink)
    }

    /// Seals the ring's `memfd`, so that only the present writer can write into it. Call it before you hand the file descriptor to a process
    /// that may only read. The ring cannot be [adopted](RingOptions::adopt) afterwards. This cannot be undone.
    ///
    /// # Errors
    ///
    /// When the ring does not live in a `memfd` that this process may write, or Linux is older than 5.1.
    pub fn seal(&self) -> Result<(), FileError> {
        backing::seal(self.file())
    }
}
