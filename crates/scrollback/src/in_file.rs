//! A ring in a `memfd` or in a file: making one, going on with the one that another writer has left, and reading it.

use std::{fs::File, sync::Arc};

use crate::{
    FileError, LayoutError, RingOptions, Scrollback, Writer,
    backing::{self, Lock},
    geometry::Geometry,
    options::begin,
};

impl RingOptions {
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
        let scrollback = Scrollback::of(memory.view(), geometry, offsets.tail).in_file(file);
        self.prefault(&memory, &scrollback);
        let writer = Writer::new(memory, scrollback.clone(), offsets);
        Ok((writer.locking(lock), scrollback))
    }

    fn check_disk(&self, file: &File) -> Result<(), FileError> {
        if self.may_be_on_disk() || backing::is_memory(file)? { Ok(()) } else { Err(FileError::OnDisk) }
    }

    fn create_mapped(
        self,
        file: File,
        geometry: Geometry,
        lock: Lock,
    ) -> Result<(Writer, Scrollback), FileError> {
        let memory = backing::memory(&file, &geometry)?;
        let scrollback = Scrollback::of(memory.view(), geometry, geometry.origin).in_file(file);
        self.prefault(&memory, &scrollback);
        let (writer, scrollback) = begin(memory, scrollback);
        Ok((writer.locking(lock), scrollback))
    }
}

impl Scrollback {
    fn in_file(self, file: File) -> Self {
        Self { file: Some(Arc::new(file)), ..self }
    }

    /// The file or `memfd` that the ring lives in. Hand it to a process that [maps](Self::map) or [adopts](crate::RingOptions::adopt) it.
    ///
    /// `None` if the ring lives in this process alone, or was [mapped](Self::map) or [loaded](Self::load) from a file that the caller
    /// already has.
    pub fn file(&self) -> Option<&File> {
        self.file.as_deref()
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
