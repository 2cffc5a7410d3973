//! A socket at an exact path: what is removed for it, and how it is removed.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, openat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::entry::Entry;

/// How often the lock of a directory is tried. Who has it for a good reason has it for a fraction of a millisecond, so this is enough for some
/// hundred servers.
const TRIES: usize = 500;

/// The time between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// A socket's file at a path that the VMM has chosen. Dropping it removes the file, unless another one has taken its place.
///
/// It has the directory and the file open, so that it looks for neither when it is dropped: a filter may then allow no more than
/// `fstat` and `unlinkat`.
#[derive(Debug)]
pub(crate) struct Bound {
    dir: OwnedFd,
    name: OsString,
    file: OwnedFd,
}

impl Bound {
    /// The file of a socket that was bound at this entry.
    pub(crate) fn new(entry: &Entry) -> io::Result<Self> {
        let (dir, name) = (entry.enter()?, entry.file().as_os_str().to_owned());
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&dir, &name, flags, Mode::empty())?;
        Ok(Self { dir, name, file })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Whoever puts something in its place removes it first. Then it has no name any more.
        if fstat(&self.file).is_ok_and(|file| file.st_nlink > 0) {
            let _ = unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// Removes a socket that a dead process of this user has left at the entry. Whatever else is there stays, and binding then fails with
/// `EADDRINUSE`.
///
/// No lock says whether its owner lives, as one does for a claimed name. So the kernel is asked whether a process has the socket open.
///
/// Hold what this returns until the new socket is bound: nobody else removes a socket in this directory meanwhile.
pub(crate) fn remove_stale(entry: &Entry) -> io::Result<Option<Removing>> {
    if !entry.look()?.is_some_and(|found| is_ours(&found)) {
        return Ok(None);
    }
    let dir = entry.enter()?;
    // What `enter` has opened can't be locked. Without the right to read the directory, the socket stays.
    let Ok(lock) = openat(&dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    else {
        return Ok(None);
    };
    // Who has it is about to bind a socket of its own in this directory, as all servers are when a host comes up again. Or it wants to be in
    // the way: then the socket stays.
    let mut tries = TRIES;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if tries == 0 {
            return Ok(None);
        }
        tries -= 1;
        thread::sleep(BETWEEN_TRIES);
    }
    let lock = Removing { _lock: lock };
    // Another server may have been faster.
    let found = statat(&dir, entry.file(), AtFlags::SYMLINK_NOFOLLOW);
    if found.is_ok_and(|found| is_ours(&found)) && is_dead(&dir, entry)? {
        unlinkat(&dir, entry.file(), AtFlags::empty())?;
    }
    Ok(Some(lock))
}

/// The lock of a directory in which a socket is replaced.
#[derive(Debug)]
pub(crate) struct Removing {
    _lock: OwnedFd,
}

/// Whether it is a socket of this user.
fn is_ours(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Socket
        && found.st_uid == rustix::process::geteuid().as_raw()
}

/// Whether no process has the socket open.
///
/// It is asked by a connection of another type than the socket can have, so that nobody has to accept it: a client at a live console
/// could evict its owner. The kernel refuses it either way, for the type (`EPROTOTYPE`) or because nobody is there (`ECONNREFUSED`).
fn is_dead(dir: &OwnedFd, entry: &Entry) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    let asked = entry.at_address(dir, |address| connect(&probe, address));
    Ok(asked == Err(Errno::CONNREFUSED))
}
