//! Making a ring in this process's memory.

use vuart_mapping::Mapping;

use crate::{
    CapacityError, OptionsError, Scrollback, Writer, geometry::Geometry, memory::Memory, offsets::Offsets,
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
    #[cfg(feature = "std")]
    prefault: bool,
    #[cfg(feature = "std")]
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
        Self {
            capacity,
            head: 0,
            start: 0,
            #[cfg(feature = "std")]
            prefault: false,
            #[cfg(feature = "std")]
            disk: false,
        }
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
    #[cfg(feature = "std")]
    #[must_use]
    pub fn with_prefault(self, prefault: bool) -> Self {
        Self { prefault, ..self }
    }

    /// Sets whether the ring may live in a file on a disk. By default it may not: the kernel writes the pages of such a file back every
    /// few seconds, and the guest's next byte to each page then waits for the file system, or even for the disk. To have output on a
    /// disk, let a reader copy it there. Files in `tmpfs` (`/dev/shm`, mostly `/run`), in `ramfs`, in huge pages and in a `memfd` are in
    /// memory.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn with_disk(self, disk: bool) -> Self {
        Self { disk, ..self }
    }

    /// Makes a ring in memory of this process alone. Without the feature `std` that is memory of the heap, all of which is written now.
    ///
    /// # Errors
    ///
    /// When no ring can have these options, or there is not enough memory.
    pub fn create(self) -> Result<(Writer, Scrollback), OptionsError> {
        let geometry = self.geometry()?;
        let memory = memory(geometry.body())
            .and_then(|mapping| Memory::new(mapping, &geometry))
            .ok_or(CapacityError::OutOfMemory { bytes: geometry.body() })?;
        let scrollback = Scrollback::of(memory.view(), geometry, geometry.origin);
        #[cfg(feature = "std")]
        self.prefault(&memory, &scrollback);
        Ok(begin(memory, scrollback))
    }

    #[cfg(feature = "std")]
    pub(crate) fn may_be_on_disk(&self) -> bool {
        self.disk
    }

    pub(crate) fn geometry(&self) -> Result<Geometry, OptionsError> {
        Geometry::new(self.capacity, self.head, self.start)
    }

    /// Touches the memory of a new ring, if that is wanted.
    #[cfg(feature = "std")]
    pub(crate) fn prefault(self, memory: &Memory, scrollback: &Scrollback) {
        if self.prefault {
            scrollback.prefault(memory);
        }
    }
}

/// Makes an empty ring in memory that is all zero.
pub(crate) fn begin(memory: Memory, scrollback: Scrollback) -> (Writer, Scrollback) {
    let offsets = Offsets::at(scrollback.geometry.origin);
    memory.publish(offsets);
    memory.describe(scrollback.geometry.to_words());
    (Writer::new(memory, scrollback.clone(), offsets), scrollback)
}

/// Memory of the operating system.
#[cfg(feature = "std")]
fn memory(body: usize) -> Option<Mapping> {
    Mapping::anonymous(body).ok()
}

/// Memory of the heap.
#[cfg(not(feature = "std"))]
fn memory(body: usize) -> Option<Mapping> {
    Mapping::on_heap(body)
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
}
