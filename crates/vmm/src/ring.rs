//! A console's ring in a file, which outlives the VMM.

use std::path::{Path, PathBuf};

use vuart::scrollback::{FileError, RingOptions, Writer};

/// How much of the newest output is kept, in bytes.
const CAPACITY: usize = 1 << 20;
/// How much of the beginning of the newest boot is kept, in bytes.
const BOOT_HEAD: usize = 64 << 10;

/// The reason why a file can't hold a console's ring: it can't be opened, is not this user's alone, is in use, is on a disk, or holds
/// something else.
#[derive(Debug, thiserror::Error)]
#[error("{0}{source}", named(path, source))]
pub struct RingError {
    /// The path of the file.
    pub path: PathBuf,
    /// The reason.
    pub source: FileError,
}

/// The beginning of a message, unless the reason names the file itself.
fn named(path: &Path, reason: &FileError) -> String {
    if matches!(reason, FileError::Open(_)) { String::new() } else { format!("{}: ", path.display()) }
}

/// Opens a ring in a file, for the console of a guest that is about to boot.
///
/// The file is created if it is missing. If it holds the ring of an earlier VMM, the new output continues at its offsets. The
/// new boot is [marked](Writer::mark) when the guest starts, so that a failed start loses none of the earlier output.
///
/// Who makes the file shorter while it is used ends this process with SIGBUS ([`RingOptions::open`]). A VMM in production has a
/// supervisor that keeps a `memfd` ([`RingOptions::create_memfd`]), which nobody can make shorter.
///
/// ```
/// use vuart::scrollback::Scrollback;
/// use vuart_vmm::open_ring;
///
/// # let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return Ok(()) };
/// # let path = dir.path().join("vm0.ring");
/// let mut output = open_ring(&path)?; // in /dev/shm, say
/// output.extend(b"Linux version 6.1\n");
/// drop(output); // or the process is killed
///
/// let mut output = open_ring(&path)?;
/// assert_eq!(output.mark(), 18);
/// output.extend(b"Linux version 6.1\n");
/// assert_eq!(output.scrollback().oldest(), 0);
/// # Ok::<(), vuart_vmm::RingError>(())
/// ```
///
/// # Errors
///
/// See [`RingError`]. A file that was created on a disk is removed again.
pub fn open_ring(path: &Path) -> Result<Writer, RingError> {
    let options = RingOptions::new(CAPACITY).with_boot_head(BOOT_HEAD);
    match options.open(path) {
        Ok((output, _)) => Ok(output),
        Err(source) => Err(RingError { path: path.to_owned(), source }),
    }
}
