//! Opening a file: the checks, and their order.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chmod, fchmod, openat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::OpenError;

/// What a file holds.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The name in messages, with its article: "a trace".
    pub name: &'static str,
    /// Whether a file that begins with these bytes is of this kind. It gets at most [`BEGINNING`](Self::BEGINNING) bytes, and is not asked
    /// about an empty file, which is of every kind.
    pub begins: fn(&[u8]) -> bool,
}

impl Kind {
    /// The most bytes that are read to know a file's kind.
    pub const BEGINNING: usize = 8192;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    kind: Kind,
    create: bool,
    append: bool,
    lock: bool,
}

/// An open file.
#[derive(Debug)]
pub struct Opened {
    /// The file, for reading and writing. Its content is what it was: truncate it if you replace it.
    pub file: File,
    /// Whether the file was not there before.
    pub made: bool,
}

/// The permissions of each file.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How often a file may come or go while it is opened.
const TRIES: usize = 100;

/// A file came or went between two steps, or an error for the caller.
enum Failed {
    Moved,
    For(OpenError),
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::For(error)
    }
}

impl Options {
    /// Opens a file of this kind for reading and writing, and makes it if it is missing.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, create: true, append: false, lock: false }
    }

    /// Opens only a file that is there.
    #[must_use]
    pub const fn existing(self) -> Self {
        Self { create: false, ..self }
    }

    /// Lets each write go to the end of the file.
    #[must_use]
    pub const fn append(self) -> Self {
        Self { append: true, ..self }
    }

    /// Locks the file (`flock(2)`), so that no other process writes it that locks it, too. The lock lasts as long as the file is open.
    #[must_use]
    pub const fn lock(self) -> Self {
        Self { lock: true, ..self }
    }

    /// Opens the file at `path`, whose directory only trusted users may write.
    ///
    /// It is a regular file of this user with one name and of the right [kind](Kind). No link in its place is followed. Its mode is 0600
    /// afterwards, whatever it and the umask were. All this is known before a byte of it can change.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(self, path: &Path) -> Result<Opened, OpenError> {
        self.open_at(CWD, path)
    }

    /// [`open`](Self::open), with a path that is relative to an open directory.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open_at(self, dir: impl AsFd, path: &Path) -> Result<Opened, OpenError> {
        for _ in 0..TRIES {
            match self.attempt(dir.as_fd(), path) {
                Err(Failed::Moved) => {}
                Err(Failed::For(error)) => return Err(error),
                Ok(opened) => return Ok(opened),
            }
        }
        Err(OpenError::Open { path: path.to_owned(), source: io::ErrorKind::ResourceBusy.into() })
    }

    fn attempt(self, dir: BorrowedFd<'_>, path: &Path) -> Result<Opened, Failed> {
        let fail = |errno: Errno| OpenError::Open { path: path.to_owned(), source: errno.into() };
        // Looked at first, because a device may act when it is opened.
        let made = match statat(dir, path, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) if self.create => true,
            Err(errno) => return Err(fail(errno).into()),
            Ok(found) => {
                not_a_file(FileType::from_raw_mode(found.st_mode), path)?;
                false
            }
        };
        let mut flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        flags.set(OFlags::APPEND, self.append);
        flags.set(OFlags::CREATE | OFlags::EXCL, made);
        let open = || openat(dir, path, flags, MODE);
        let opened = match open() {
            // Made under a umask that takes its owner's rights, by a process that was killed before it could mend that.
            Err(Errno::ACCESS) if !made && give_rights(dir, path) => open(),
            opened => opened,
        };
        let file = File::from(match opened {
            // The path ends with a slash.
            Err(Errno::ISDIR) if made => {
                return Err(OpenError::NotAFile { path: path.to_owned(), found: "a directory's name" }.into());
            }
            // It came, went, or became another kind since it was looked at.
            Err(Errno::EXIST) if made => return Err(Failed::Moved),
            Err(Errno::NOENT) if !made => return Err(Failed::Moved),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(Failed::Moved),
            opened => opened.map_err(fail)?,
        });
        self.check(&file, path)?;
        Ok(Opened { file, made })
    }

    /// Checks the open file, and makes it private.
    fn check(self, file: &File, path: &Path) -> Result<(), Failed> {
        let fail = |source| OpenError::Open { path: path.to_owned(), source };
        let found = file.metadata().map_err(fail)?;
        let path = || path.to_owned();
        if !found.is_file() || found.nlink() == 0 {
            return Err(Failed::Moved);
        }
        if found.uid() != geteuid().as_raw() {
            return Err(OpenError::NotYours { path: path(), uid: found.uid() }.into());
        }
        if found.nlink() > 1 {
            return Err(OpenError::OtherNames { path: path(), names: found.nlink() }.into());
        }
        // Read whatever its length: files of the kernel's, as in /proc, say that they are empty.
        let mut beginning = vec![0; Kind::BEGINNING];
        let read = file.read_at(&mut beginning, 0).map_err(fail)?;
        if read > 0 && !(self.kind.begins)(&beginning[..read]) {
            return Err(OpenError::OtherKind { path: path(), kind: self.kind.name }.into());
        }
        let mode = found.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(OpenError::Writable { path: path(), mode }.into());
        }
        if self.lock {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path() }.into()),
                Err(TryLockError::Error(error)) => return Err(fail(error).into()),
            }
        }
        if mode != MODE.as_raw_mode() {
            fchmod(file, MODE).map_err(|errno| fail(errno.into()))?;
        }
        Ok(())
    }
}

/// Refuses what is not a regular file.
fn not_a_file(found: FileType, path: &Path) -> Result<(), OpenError> {
    let found = match found {
        FileType::RegularFile => return Ok(()),
        FileType::Symlink => "a link",
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something else",
    };
    Err(OpenError::NotAFile { path: path.to_owned(), found })
}

/// Gives this user the right to read and write a file of theirs that has no permissions at all. Returns whether it did.
fn give_rights(dir: BorrowedFd<'_>, path: &Path) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = openat(dir, path, flags, Mode::empty()).map(File::from) else { return false };
    let ours = file.metadata().is_ok_and(|found| {
        found.is_file() && found.uid() == geteuid().as_raw() && found.nlink() == 1 && has_none(found.mode())
    });
    // By way of the descriptor: the path may lead to another file by now.
    ours && chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), MODE).is_ok()
}

/// Whether a mode gives no rights at all.
fn has_none(mode: u32) -> bool {
    Mode::from_raw_mode(mode & 0o777).is_empty()
}
