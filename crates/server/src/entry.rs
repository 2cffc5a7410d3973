//! An entry of a directory: a file of a console, and what may be there.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, chmodat, chownat, openat, renameat, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, bind};
use vuart_wire::{RuntimeDir, RuntimeDirError};

/// A file of a console. Each operation opens the directory, checks it, and works in what was opened: so nobody can put another directory
/// in its place in between.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    dir: Dir,
    file: OsString,
    path: PathBuf,
}

/// The directory of an entry.
#[derive(Debug, Clone)]
enum Dir {
    /// It must be private.
    Runtime(RuntimeDir),
    /// The VMM has chosen it, and answers for it.
    Chosen(PathBuf),
}

impl Entry {
    pub(crate) fn new(dir: &RuntimeDir, file: String) -> Self {
        let path = dir.path().join(&file);
        Self { dir: Dir::Runtime(dir.clone()), file: file.into(), path }
    }

    /// The entry of this path. It is found again when the process has changed its working directory.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        match (path.parent(), path.file_name()) {
            (Some(dir), Some(file)) => {
                Ok(Self { dir: Dir::Chosen(dir.to_owned()), file: file.to_owned(), path })
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name in the directory.
    pub(crate) fn file(&self) -> &Path {
        Path::new(&self.file)
    }

    /// Opens the directory for an operation.
    pub(crate) fn enter(&self) -> io::Result<OwnedFd> {
        match &self.dir {
            Dir::Runtime(dir) => dir.enter().map_err(|error| match error {
                RuntimeDirError::Read { source, .. } => source,
                error => io::Error::other(error),
            }),
            Dir::Chosen(dir) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                Ok(openat(CWD, dir, flags, Mode::empty())?)
            }
        }
    }

    /// What is there, or `None`.
    pub(crate) fn look(&self) -> io::Result<Option<Stat>> {
        match statat(self.enter()?, &self.file, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            found => Ok(Some(found?)),
        }
    }

    /// Removes what is there, if it is of this type. If it can't be removed, what is to be put there reports that.
    pub(crate) fn remove(&self, kind: FileType) {
        let Ok(dir) = self.enter() else { return };
        let found = statat(&dir, &self.file, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == kind) {
            let _ = unlinkat(&dir, &self.file, AtFlags::empty());
        }
    }

    /// Puts the socket here, for this user alone, or for a group as well.
    pub(crate) fn bind(&self, socket: impl AsFd, group: Option<u32>) -> io::Result<()> {
        let dir = self.enter()?;
        self.at_address(&dir, |address| bind(&socket, address))?;
        // A client can't connect before the socket listens. So the umask never decides who may connect.
        let owner = Mode::RUSR | Mode::WUSR;
        chmodat(&dir, &self.file, owner, AtFlags::empty())?;
        if let Some(gid) = group {
            chownat(&dir, &self.file, None, Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)?;
            chmodat(&dir, &self.file, owner | Mode::RGRP | Mode::WGRP, AtFlags::empty())?;
        }
        Ok(())
    }

    /// Makes a call with the address of the socket here, in the directory that was opened.
    pub(crate) fn at_address(
        &self,
        dir: &OwnedFd,
        call: impl Fn(&SocketAddrUnix) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        match SocketAddrUnix::new(inside(dir, &self.file)).and_then(|address| call(&address)) {
            // Without /proc there is the path only. And it may be the shorter one, for a long name.
            Err(Errno::NOENT | Errno::NAMETOOLONG) => call(&SocketAddrUnix::new(&self.path)?),
            called => called,
        }
    }

    /// Makes a link to a device here, in one step: a link that was here is never missing.
    pub(crate) fn point(&self, device: &Path) -> io::Result<()> {
        let dir = self.enter()?;
        // A console's name has no tilde in it.
        let mut new = self.file.clone();
        new.push("~");
        let _ = unlinkat(&dir, &new, AtFlags::empty());
        symlinkat(device, &dir, &new)?;
        Ok(renameat(&dir, &new, &dir, &self.file)?)
    }
}

/// The path of a file in an open directory: short, however long the path of the directory is. A socket's address has room for some 90 bytes
/// of the name.
fn inside(dir: &OwnedFd, file: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(file)
}
