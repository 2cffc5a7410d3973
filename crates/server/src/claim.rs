//! The right to serve a console's name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vuart_wire::{RuntimeDir, RuntimeDirError};

/// A console's name can't be claimed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The name or the directory can't be used.
    #[error(transparent)]
    Directory(#[from] RuntimeDirError),
    /// Another process serves that name.
    #[error("console {name:?} is already served by process {pid}; choose another name")]
    Taken {
        /// The name.
        name: String,
        /// Its server, as it says itself.
        pid: String,
    },
    /// The lock file can't be made or taken.
    #[error("can't lock {}: {source}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The right to serve a name. Dropping it removes the console's files.
#[derive(Debug)]
pub struct Claim {
    name: String,
    raw: PathBuf,
    read_only: PathBuf,
    control: PathBuf,
    pty: PathBuf,
    path: PathBuf,
    /// Holds the lock as long as it is open.
    lock: File,
}

impl Claim {
    /// Claims a name for a console that this process will serve, and removes what a dead server left of it.
    ///
    /// # Errors
    ///
    /// When the name is no name, or another process serves it.
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
                // A link would lock, and write to, a file that somebody else has chosen.
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)
                .map_err(fail)?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    // What stands there is for people; an unreadable one is no reason for another error.
                    let _ = lock.take(16).read_to_string(&mut pid);
                    let pid = pid.trim();
                    let pid = if pid.is_empty() { "(unknown)" } else { pid }.to_owned();
                    return Err(ClaimError::Taken { name: name.to_owned(), pid });
                }
                Err(TryLockError::Error(source)) => return Err(fail(source)),
            }
            // The last holder removes the file before it lets go of it. If that happened between our two steps, we
            // hold a lock that nobody else will ever see.
            if !is_at(&lock, &path).map_err(fail)? {
                continue;
            }
            // For people, in the message of whoever comes next. A disk that has no room for it may have some for sockets,
            // and the console is worth more than the number.
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

    /// The path of the raw socket: one byte is one byte.
    pub fn raw_socket(&self) -> &Path {
        &self.raw
    }

    /// The path of the read-only socket: what the guest writes from now on, and nothing is typed.
    pub fn read_only_socket(&self) -> &Path {
        &self.read_only
    }

    /// The path of the control socket: the [framed protocol](vuart_wire).
    pub fn control_socket(&self) -> &Path {
        &self.control
    }

    /// The path of the link to the pseudo-terminal, if there is one.
    pub fn pty_link(&self) -> &Path {
        &self.pty
    }

    fn remove_files(&self) {
        if fs::symlink_metadata(&self.pty).is_ok_and(|there| there.file_type().is_symlink()) {
            // When it can't be removed, making it anew says so.
            let _ = fs::remove_file(&self.pty);
        }
        for socket in [&self.raw, &self.read_only, &self.control] {
            if fs::symlink_metadata(socket).is_ok_and(|there| there.file_type().is_socket()) {
                // When it can't be removed, binding says so.
                let _ = fs::remove_file(socket);
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // If somebody has removed our lock file, another server may have claimed the name since: its sockets are its own.
        if is_at(&self.lock, &self.path).unwrap_or(false) {
            self.remove_files();
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How often a claim is tried while others come and go under the same name.
const CLAIM_TRIES: usize = 100;

/// Whether an open file is what stands at a path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn dir() -> (tempfile::TempDir, RuntimeDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(temp.path().join("vuart")).unwrap();
        (temp, dir)
    }

    #[test]
    fn names_that_are_none() {
        let (_temp, dir) = dir();
        for name in ["", ".", "..", ".hidden", "a/b", "-x", "é", "a b", "a\n", "vm0.ro", &"x".repeat(65)] {
            assert!(
                matches!(Claim::new(&dir, name), Err(ClaimError::Directory(RuntimeDirError::BadName { .. }))),
                "{name:?}"
            );
        }
        assert!(Claim::new(&dir, &"x".repeat(64)).is_ok() || dir.path().as_os_str().len() > 40);
    }

    #[test]
    fn one_server_a_name_and_its_files_go_with_it() {
        let (_temp, dir) = dir();
        let claim = Claim::new(&dir, "vm0").unwrap();
        let pid = std::process::id().to_string();
        assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::Taken { pid: by, .. }) if by == pid));
        let listener = UnixListener::bind(claim.control_socket()).unwrap();
        assert_eq!(dir.names().unwrap(), ["vm0"]);
        drop((claim, listener));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(Claim::new(&dir, "vm0").is_ok());
    }

    #[test]
    fn what_a_killed_server_left_is_removed() {
        let (_temp, dir) = dir();
        // A lock file that nobody locks, and a socket that nobody listens on.
        fs::write(dir.path().join("vm0.lock"), "1\n").unwrap();
        drop(UnixListener::bind(dir.path().join("vm0.ctl")).unwrap());
        drop(UnixListener::bind(dir.path().join("vm0.ro.sock")).unwrap());
        std::os::unix::fs::symlink("/dev/pts/0", dir.path().join("vm0.pty")).unwrap();
        let _claim = Claim::new(&dir, "vm0").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the lock");
    }

    #[test]
    fn a_lock_file_that_is_a_link_is_refused() {
        let (temp, dir) = dir();
        fs::write(temp.path().join("target"), "").unwrap();
        std::os::unix::fs::symlink(temp.path().join("target"), dir.path().join("vm0.lock")).unwrap();
        assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::Lock { .. })));
    }

    #[test]
    fn one_that_has_lost_its_lock_file_leaves_its_successor_alone() {
        let (_temp, dir) = dir();
        let first = Claim::new(&dir, "vm0").unwrap();
        fs::remove_file(dir.path().join("vm0.lock")).unwrap();
        let second = Claim::new(&dir, "vm0").unwrap();
        let _listener = UnixListener::bind(second.control_socket()).unwrap();
        drop(first);
        assert!(second.control_socket().exists());
        assert!(matches!(Claim::new(&dir, "vm0"), Err(ClaimError::Taken { .. })));
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let (_temp, dir) = dir();
        for file in ["vm0.sock", "vm0.pty"] {
            fs::write(dir.path().join(file), "precious").unwrap();
        }
        drop(Claim::new(&dir, "vm0").unwrap());
        for file in ["vm0.sock", "vm0.pty"] {
            assert!(dir.path().join(file).exists());
        }
    }

    #[test]
    fn a_path_that_no_socket_can_have() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(temp.path().join("x".repeat(110))).unwrap();
        assert!(matches!(
            Claim::new(&dir, "vm0"),
            Err(ClaimError::Directory(RuntimeDirError::TooLong { .. }))
        ));
    }
}
