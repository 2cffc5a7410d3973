//! A ring in a file that is named by its path.

use std::{fs, path::Path};

use vuart_file::{Kind, Options};

use crate::{FileError, RingOptions, Scrollback, Writer, layout::MAGIC_NUMBER};

/// A ring; or zeros, as a process leaves them that is killed while it makes one. What follows is checked when it is adopted.
const RING: Kind = Kind { name: "a vuart ring", begins: begins_ring };

fn begins_ring(bytes: &[u8]) -> bool {
    let magic = [MAGIC_NUMBER, MAGIC_NUMBER.swap_bytes(), 0].map(u64::to_ne_bytes);
    bytes.first_chunk().is_some_and(|begin| magic.contains(begin))
}

impl RingOptions {
    /// Opens the ring in the file at `path`: [goes on](Self::adopt) with the ring of an earlier writer, or [makes](Self::create_in) one if
    /// the file is missing or empty. If a new boot begins, call [`Writer::mark`] next.
    ///
    /// The file has mode 0600 afterwards. It must be this user's, and no link is followed.
    ///
    /// **A process of this user, or of root, that makes the file shorter ends this process with SIGBUS.** No file system can prevent that.
    /// Above all, keep `logrotate` and its `copytruncate` away from the file. Where that is too much to promise, use
    /// [`create_memfd`](Self::create_memfd): a sealed `memfd` can't be made shorter.
    ///
    /// ```
    /// use vuart_scrollback::{RingOptions, Scrollback};
    ///
    /// # let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return Ok(()) };
    /// # let path = dir.path().join("vm0.ring");
    /// let (mut writer, _) = RingOptions::default().open(&path)?; // in /dev/shm, say
    /// writer.extend(b"Linux version 6.1\n");
    /// drop(writer); // or the process is killed
    ///
    /// let (writer, scrollback) = RingOptions::default().open(&path)?;
    /// assert_eq!((scrollback.oldest(), writer.end()), (0, 18));
    /// # Ok::<(), vuart_scrollback::FileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create_in`](Self::create_in) and [`adopt`](Self::adopt), and when the file [can't be opened](FileError::Open). It is unchanged
    /// then. A file that was made on a disk is removed again.
    pub fn open(self, path: &Path) -> Result<(Writer, Scrollback), FileError> {
        let opened = Options::new(RING).open(path)?;
        let file = opened.file;
        let own = || file.try_clone().map_err(FileError::io("open"));
        let ring = match self.create_in(own()?) {
            Err(FileError::NotEmpty) => self.adopt(own()?),
            made => made,
        };
        // Nobody can have a ring on a disk, so the new file is useless. After other errors another process may use it.
        if opened.made && matches!(ring, Err(FileError::OnDisk)) {
            let _ = fs::remove_file(path);
        }
        ring
    }
}
