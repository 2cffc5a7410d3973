//! The right to serve a console's name.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{AtFlags, FileType, fstat, unlinkat};
use vuart_file::{Kind, OpenError, Options};
use vuart_wire::{RuntimeDir, RuntimeDirError};

use crate::access::SocketKind;
use crate::entry::Entry;

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
    /// The lock file can't be opened, or what has its name is not one.
    #[error("can't lock the console's name in {}: {source}", dir.display())]
    File {
        /// The directory.
        dir: PathBuf,
        /// The reason.
        source: OpenError,
    },
    /// The lock file can't be locked.
    #[error("can't lock {}: {source}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
}

/// The right to serve a console under a name. Dropping it removes the console's files.
///
/// It holds the runtime directory open, to remove the files with one call each. A process that changes its root directory later, to give
/// up its rights, keeps a way out by that: such a process has its sockets [handed in](crate::Sockets#sockets-that-are-handed-in) instead.
#[derive(Debug)]
pub struct Claim {
    name: String,
    raw: Entry,
    read_only: Entry,
    control: Entry,
    pty: Entry,
    /// That of the lock file.
    entry: Entry,
    /// The directory, to remove the files from it at the end. The process opens it once for all its consoles there.
    dir: Arc<OwnedFd>,
    /// Where nothing was when the name was claimed: what is there at the end is the console's. Something else may have been in the way, which
    /// stays.
    free: Vec<PathBuf>,
    /// The open lock file, which holds the lock.
    lock: File,
}

/// A lock file: the number of its last holder.
const LOCK: Kind = Kind {
    name: "the lock of a console",
    begins: |bytes| bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'\n'),
};

impl Claim {
    /// Claims a name for a console that this process will serve. Removes the files that a dead server has left.
    ///
    /// # Errors
    ///
    /// When the name can't be a console's, another process serves it, or the lock file can't be created.
    pub fn new(dir: &RuntimeDir, name: &str) -> Result<Self, ClaimError> {
        // Checks the name, and that other programs can reach the sockets.
        dir.raw_socket(name)?;
        dir.read_only_socket(name)?;
        dir.control_socket(name)?;
        let at = |ending| Entry::new(dir, format!("{name}.{ending}"));
        let entry = at("lock");
        let fail = |source| ClaimError::Lock { path: entry.path().to_owned(), source };
        for _ in 0..CLAIM_TRIES {
            let open = dir.enter()?;
            let mut lock = Options::new(LOCK)
                .open_at(&open, entry.file())
                .map_err(|source| ClaimError::File { dir: dir.path().to_owned(), source })?
                .file;
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
            if !is_at(&lock, &entry).map_err(fail)? {
                continue;
            }
            // For people: the next process that wants the name shows it. A full disk may still have room for sockets, and the
            // console is worth more than this number.
            let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
            let (raw, read_only, control, pty) = (at("sock"), at("ro.sock"), at("ctl"), at("pty"));
            pty.remove(FileType::Symlink);
            for socket in [&raw, &read_only, &control] {
                socket.remove(FileType::Socket);
            }
            let mut free = Vec::with_capacity(4);
            for entry in [&pty, &raw, &read_only, &control] {
                if entry.look().map_err(fail)?.is_none() {
                    free.push(entry.file().to_owned());
                }
            }
            let dir = shared(open).map_err(fail)?;
            return Ok(Self { name: name.to_owned(), raw, read_only, control, pty, entry, dir, free, lock });
        }
        Err(fail(io::ErrorKind::ResourceBusy.into()))
    }

    /// The console's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of the raw socket.
    pub fn raw_socket(&self) -> &Path {
        self.raw.path()
    }

    /// The path of the read-only socket.
    pub fn read_only_socket(&self) -> &Path {
        self.read_only.path()
    }

    /// The path of the control socket, which speaks the [framed protocol](vuart_wire).
    pub fn control_socket(&self) -> &Path {
        self.control.path()
    }

    /// The path of the link to the pseudo-terminal. The link is there if a pseudo-terminal is.
    pub fn pty_link(&self) -> &Path {
        self.pty.path()
    }

    /// Where a socket of this kind belongs.
    pub(crate) fn entry(&self, kind: SocketKind) -> &Entry {
        match kind {
            SocketKind::Raw => &self.raw,
            SocketKind::ReadOnly => &self.read_only,
            SocketKind::Control => &self.control,
            SocketKind::Pty => &self.pty,
        }
    }
}

/// # Why nothing is looked at but the lock
///
/// A thread that drops a claim may be under a filter that knows few calls. Each removal is one `unlinkat`. It needs no look at what is there:
///
/// * It works in the directory that was checked when the name was claimed, and which is open. Whatever has been put at its path is not touched.
/// * The directory is this user's alone, and the files of a name belong to the server that holds its lock. As long as the lock file is in the
///   directory, no other server can have claimed the name. So what has come since it was claimed is this console's.
/// * If somebody has removed the lock file, another server may have claimed the name, and the files may be its own. Then the lock file has no
///   name any more, which `fstat` says of the open file.
impl Drop for Claim {
    fn drop(&mut self) {
        if !fstat(&self.lock).is_ok_and(|lock| lock.st_nlink > 0) {
            return;
        }
        // The lock last: the others are this server's as long as it is there.
        for file in self.free.iter().map(PathBuf::as_path).chain([self.entry.file()]) {
            let _ = unlinkat(&self.dir, file, AtFlags::empty());
        }
    }
}

/// The most attempts to claim a name while other servers of the same name come and go.
const CLAIM_TRIES: usize = 100;

/// Whether an open file is the one at an entry.
fn is_at(file: &File, entry: &Entry) -> io::Result<bool> {
    let open = file.metadata()?;
    Ok(entry.look()?.is_some_and(|there| (there.st_dev, there.st_ino) == (open.dev(), open.ino())))
}

/// The directories that this process's claims have open, with their device and inode.
static OPEN: Mutex<Vec<(u64, u64, Weak<OwnedFd>)>> = Mutex::new(Vec::new());

/// Returns the descriptor that another claim has for this directory, or this one. So a thousand consoles take one.
fn shared(dir: OwnedFd) -> io::Result<Arc<OwnedFd>> {
    let stat = fstat(&dir)?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|(.., dir)| dir.strong_count() > 0);
    let same = open.iter().find(|(device, inode, _)| (*device, *inode) == (stat.st_dev, stat.st_ino));
    if let Some(same) = same.and_then(|(.., dir)| dir.upgrade()) {
        return Ok(same);
    }
    let dir = Arc::new(dir);
    open.push((stat.st_dev, stat.st_ino, Arc::downgrade(&dir)));
    Ok(dir)
}
