//! The right to serve a console's name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vuart_wire::{RuntimeDir, RuntimeDirError};

/// Why a console's name can't be claimed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The name or the directory can't be used.
    #[error(transparent)]
    Directory(#[from] RuntimeDirError),
    /// Another process serves a console of this name.
    #[error("console {name:?} is already served by process {pid}; choose another name")]
    Taken {
        /// The name.
        name: String,
        /// The process that serves it, by its own account.
        pid: String,
    },
    /// The lock file can't be created or locked.
    #[error("can't lock {}: {source}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
}

/// The right to serve a console under a name. Dropping it removes the console's files.
#[derive(Debug)]
pub struct Claim {
    name: String,
    raw: PathBuf,
    read_only: PathBuf,
    control: PathBuf,
    pty: PathBuf,
    path: PathBuf,
    /// The open lock file, which holds the lock.
    lock: File,
}

impl Claim {
    /// Claims a name for a console that this process will serve. Removes the files that a dead server has left.
    ///
    /// # Errors
    ///
    /// When the name can't be a console's, another process serves it, or the lock file can't be created.
    pub fn new(dir: &RuntimeDir, name: &str) -> Result<Self, ClaimError> {
        let raw = dir.raw_socket(name)?;
        let read_only = dir.read_only_socket(name)?;
        let control = dir.control_socket(name)?;
        let pty = dir.path().join(format!("{name}.pty"));
        let path = dir.path().join(format!("{name}.lock"));
        let fail = |source| ClaimError::Lock { path: path.clone(), source };
        for _ in 0..CLAIM_TRIES {
            let mut lock = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                // A link would lock, and write to, a file that another user has chosen.
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)
                .map_err(fail)?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    // The number is for people. If it can't be read, this is still the error to report.
                    let _ = lock.take(16).read_to_string(&mut pid);
                    let pid = pid.trim();
                    let pid = if pid.is_empty() { "(unknown)" } else { pid }.to_owned();
                    return Err(ClaimError::Taken { name: name.to_owned(), pid });
                }
                Err(TryLockError::Error(source)) => return Err(fail(source)),
            }
            // The last holder removes the file before it unlocks it. If that happened between opening and locking, this lock is
            // on a file that no other process will open.
            if !is_at(&lock, &path).map_err(fail)? {
                continue;
            }
            // For people: the next process that wants the name shows it. A full disk may still have room for sockets, and the
            // console is worth more than this number.
            let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
            let claim = Self { name: name.to_owned(), raw, read_only, control, pty, path, lock };
            claim.remove_files();
            return Ok(claim);
        }
        Err(fail(io::ErrorKind::ResourceBusy.into()))
    }

    /// The console's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of the raw socket.
    pub fn raw_socket(&self) -> &Path {
        &self.raw
    }

    /// The path of the read-only socket.
    pub fn read_only_socket(&self) -> &Path {
        &self.read_only
    }

    /// The path of the control socket, which speaks the [framed protocol](vuart_wire).
    pub fn control_socket(&self) -> &Path {
        &self.control
    }

    /// The path of the link to the pseudo-terminal. The link is there if a pseudo-terminal is.
    pub fn pty_link(&self) -> &Path {
        &self.pty
    }

    fn remove_files(&self) {
        if fs::symlink_metadata(&self.pty).is_ok_and(|there| there.file_type().is_symlink()) {
            // If the link can't be removed, creating the new one reports that.
            let _ = fs::remove_file(&self.pty);
        }
        for socket in [&self.raw, &self.read_only, &self.control] {
            if fs::symlink_metadata(socket).is_ok_and(|there| there.file_type().is_socket()) {
                // If the socket can't be removed, binding the new one reports that.
                let _ = fs::remove_file(socket);
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // If the lock file was removed meanwhile, another server may have claimed the name, and the sockets may be its own.
        if is_at(&self.lock, &self.path).unwrap_or(false) {
            self.remove_files();
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The most attempts to claim a name while other servers of the same name come and go.
const CLAIM_TRIES: usize = 100;

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
