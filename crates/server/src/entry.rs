//! An entry of the runtime directory: a file of a console, and what may be there.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Stat, chmodat, chownat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, bind};
use vuart_wire::{RuntimeDir, RuntimeDirError};

/// A file of a console in the runtime directory. Each operation opens the directory, checks it, and works in what was opened: so nobody
/// can put another directory in its place in between.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    dir: RuntimeDir,
    file: String,
    path: PathBuf,
}

impl Entry {
    pub(crate) fn new(dir: &RuntimeDir, file: String) -> Self {
        let path = dir.path().join(&file);
        Self { dir: dir.clone(), file, path }
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
        self.dir.enter().map_err(|error| match error {
            RuntimeDirError::Read { source, .. } => source,
            error => io::Error::other(error),
        })
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
        let inside = format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), self.file);
        match bind(&socket, &SocketAddrUnix::new(inside)?) {
            // Without /proc there is the path only.
            Err(Errno::NOENT) => bind(&socket, &SocketAddrUnix::new(&self.path)?)?,
            bound => bound?,
        }
        // A client can't connect before the socket listens. So the umask never decides who may connect.
        let owner = Mode::RUSR | Mode::WUSR;
        chmodat(&dir, &self.file, owner, AtFlags::empty())?;
        if let Some(gid) = group {
            chownat(&dir, &self.file, None, Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)?;
            chmodat(&dir, &self.file, owner | Mode::RGRP | Mode::WGRP, AtFlags::empty())?;
        }
        Ok(())
    }

    /// Makes a link to a device here, in one step: a link that was here is never missing.
    pub(crate) fn point(&self, device: &Path) -> io::Result<()> {
        let dir = self.enter()?;
        // A console's name has no tilde in it.
        let new = format!("{}~", self.file);
        let _ = unlinkat(&dir, &new, AtFlags::empty());
        symlinkat(device, &dir, &new)?;
        Ok(renameat(&dir, &new, &dir, &self.file)?)
    }
}
