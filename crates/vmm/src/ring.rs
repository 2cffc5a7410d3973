//! A ring in a file, which outlives its VMM.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vuart::scrollback::{FileError, RingOptions, Writer};

/// How much is kept, in bytes: of everything, and of the newest boot's beginning.
const CAPACITY: usize = 1 << 20;
const BOOT_HEAD: usize = 64 << 10;

/// Why no console can have its ring in that file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// It can't be opened or made.
    #[error("can't open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read what the guest writes, or end this process by making the file shorter.
    #[error("{} belongs to another user or is open to others: `chmod 600` it, or choose another file", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// It is in use, on a disk, or holds something else.
    #[error("{}: {source}", path.display())]
    Ring {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
}

/// The ring in a file, for the console of a guest that is to boot. The file is made if it isn't there; if it holds the ring of
/// a VMM that is gone, this one goes on with the same offsets. A new boot is [marked](Writer::mark) when the guest is started: a
/// start that fails costs nothing of what the guest before has said.
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
/// See [`RingError`]. A file that was made on a disk is removed.
pub fn open_ring(path: &Path) -> Result<Writer, RingError> {
    let open = |source| RingError::Open { path: path.to_owned(), source };
    // A name that is free is not followed anywhere, so that no link leads astray what is made.
    let (file, made) = match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match options().create_new(true).mode(0o600).open(path) {
                // Somebody else was faster.
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
        // Nobody can have a ring there. After any other failure somebody else may be about to.
        if made && matches!(source, FileError::OnDisk) {
            let _ = std::fs::remove_file(path);
        }
        RingError::Ring { path: path.to_owned(), source }
    })
}

fn options() -> std::fs::OpenOptions {
    let mut options = File::options();
    // A pipe is no ring, and not to be waited for.
    options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

fn begin(file: &File) -> Result<Writer, FileError> {
    let own = || file.try_clone().map_err(|source| FileError::Io { doing: "open", source });
    let options = RingOptions::new(CAPACITY).with_boot_head(BOOT_HEAD);
    match options.create_in(own()?) {
        Err(FileError::NotEmpty) => Ok(options.adopt(own()?)?.0),
        made => made.map(|(output, _)| output),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_made_private_and_not_where_a_link_leads() {
        let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
            return println!("not shown: no /dev/shm");
        };
        let path = |name: &str| directory.path().join(name);
        symlink(path("elsewhere"), path("link")).unwrap();
        let error = open_ring(&path("link")).unwrap_err();
        assert!(matches!(error, RingError::Open { .. }), "{error}");
        assert!(!path("elsewhere").exists());

        let output = open_ring(&path("ring")).unwrap();
        assert_eq!(std::fs::metadata(path("ring")).unwrap().permissions().mode() & 0o777, 0o600);
        let error = open_ring(&path("ring")).unwrap_err();
        assert!(matches!(error, RingError::Ring { source: FileError::InUse, .. }), "{error}");
        drop(output);
        std::fs::set_permissions(path("ring"), std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = open_ring(&path("ring")).unwrap_err();
        assert!(matches!(error, RingError::NotPrivate { .. }), "{error}");
    }
}
