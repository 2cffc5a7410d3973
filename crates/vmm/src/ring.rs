//! A console's ring in a file, which outlives the VMM.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vuart::scrollback::{FileError, RingOptions, Writer};

/// How much of the newest output is kept, in bytes.
const CAPACITY: usize = 1 << 20;
/// How much of the beginning of the newest boot is kept, in bytes.
const BOOT_HEAD: usize = 64 << 10;

/// The reason why a file can't hold a console's ring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The file can't be opened or created.
    #[error("can't open {}: {source}", path.display())]
    Open {
        /// The path of the file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// Other users could read the guest's output, or crash this process by truncating the file.
    #[error("{} belongs to another user or is open to others: `chmod 600` it, or choose another file", path.display())]
    NotPrivate {
        /// The path of the file.
        path: PathBuf,
    },
    /// The file is in use, is on a disk, or holds something else.
    #[error("{}: {source}", path.display())]
    Ring {
        /// The path of the file.
        path: PathBuf,
        /// The underlying error.
        source: FileError,
    },
}

/// Opens a ring in a file, for the console of a guest that is about to boot.
///
/// The file is created if it is missing. If it holds the ring of an earlier VMM, the new output continues at its offsets. The
/// new boot is [marked](Writer::mark) when the guest starts, so that a failed start loses none of the earlier output.
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
    let open = |source| RingError::Open { path: path.to_owned(), source };
    // `create_new` does not follow a dangling link, so that the file is not created elsewhere.
    let (file, made) = match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match options().create_new(true).mode(0o600).open(path) {
                // Another process has created it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    (options().open(path).map_err(open)?, false)
                }
                file => (file.map_err(open)?, true),
            }
        }
        file => (file.map_err(open)?, false),
    };
    let found = file.metadata().map_err(open)?;
    if found.is_file() && (found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0) {
        return Err(RingError::NotPrivate { path: path.to_owned() });
    }
    begin(&file).map_err(|source| {
        // No process can use a ring on a disk, so the new file is useless. After other errors another process may use it.
        if made && matches!(source, FileError::OnDisk) {
            let _ = std::fs::remove_file(path);
        }
        RingError::Ring { path: path.to_owned(), source }
    })
}

/// The options for opening the file.
fn options() -> std::fs::OpenOptions {
    let mut options = File::options();
    // Opening a pipe must not block.
    options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

/// Creates a ring in an empty file, or continues the one that it holds.
fn begin(file: &File) -> Result<Writer, FileError> {
    let own = || file.try_clone().map_err(|source| FileError::Io { doing: "open", source });
    let options = RingOptions::new(CAPACITY).with_boot_head(BOOT_HEAD);
    match options.create_in(own()?) {
        Err(FileError::NotEmpty) => Ok(options.adopt(own()?)?.0),
        made => made.map(|(output, _)| output),
    }
}
