//! Connecting to a socket that was looked at: what is connected to is what was checked, and not what is at its path a moment later.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with, sockopt};
use rustix::process::geteuid;
use vuart_peer::Credentials;

use crate::client_error::ClientError;
use crate::runtime_dir::RuntimeDir;

/// A socket in the file system, as a descriptor that can do nothing else.
struct Found {
    socket: OwnedFd,
    stat: Stat,
}

/// Connects to the socket `file` of a user's private directory. Nobody else can put one there, so the server is this user's or root's.
pub(crate) fn in_directory(
    dir: &RuntimeDir,
    file: &str,
    patience: Duration,
) -> Result<UnixStream, ClientError> {
    let open = dir.enter()?;
    let path = dir.path().join(file);
    let found = find(&open, OsStr::new(file), OFlags::NOFOLLOW, &path)?;
    connect(&found, &path, patience, &[geteuid().as_raw(), 0])
}

/// Connects to the socket at `path`.
pub(crate) fn at_path(path: &Path, patience: Duration) -> Result<UnixStream, ClientError> {
    let Some(name) = path.file_name() else {
        return Err(ClientError::NotASocket { path: path.to_owned(), found: "a directory" });
    };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, parent, flags, Mode::empty()).map_err(|errno| failed(errno, path))?;
    let place = fstat(&dir).map_err(|errno| failed(errno, path))?;
    let found = find(&dir, name, OFlags::empty(), path)?;
    let mut trusted = vec![geteuid().as_raw(), 0, place.st_uid];
    // Where everybody may put a socket, as in /tmp, its owner proves nothing.
    if place.st_mode & 0o002 == 0 {
        trusted.push(found.stat.st_uid);
    }
    connect(&found, path, patience, &trusted)
}

/// Finds a socket in an open directory. `path` is for messages.
fn find(dir: &OwnedFd, name: &OsStr, flags: OFlags, path: &Path) -> Result<Found, ClientError> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    let socket = openat(dir, name, flags, Mode::empty()).map_err(|errno| failed(errno, path))?;
    let stat = fstat(&socket).map_err(|errno| failed(errno, path))?;
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => return Ok(Found { socket, stat }),
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a link",
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something else",
    };
    Err(ClientError::NotASocket { path: path.to_owned(), found })
}

/// Connects, and waits at most `patience` for a place in the socket's queue. Without a limit, a stopped server would block
/// every client for ever.
fn connect(
    found: &Found,
    path: &Path,
    patience: Duration,
    trusted: &[u32],
) -> Result<UnixStream, ClientError> {
    let fail = |errno| failed(errno, path);
    let stream =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(fail)?;
    // The send timeout limits connect(2) too: socket(7) says so, unix(7) does not.
    sockopt::set_socket_timeout(&stream, sockopt::Timeout::Send, Some(patience)).map_err(fail)?;
    // By way of the descriptor, so that it is this socket, however long its path is.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", found.socket.as_raw_fd())).map_err(fail)?;
    match rustix::net::connect(&stream, &address) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) if fs::metadata("/proc/self/fd").is_err() => {
            // Without /proc there is the path only. Whoever puts another socket there is found by what follows.
            let now = stat(path).map_err(fail)?;
            if (now.st_dev, now.st_ino) != (found.stat.st_dev, found.stat.st_ino) {
                return Err(ClientError::NotFound { path: path.to_owned() });
            }
            let address = SocketAddrUnix::new(path).map_err(fail)?;
            rustix::net::connect(&stream, &address).map_err(fail)?;
        }
        connected => connected.map_err(fail)?,
    }
    sockopt::set_socket_timeout(&stream, sockopt::Timeout::Send, None).map_err(fail)?;
    let server =
        Credentials::of(&stream).map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
    if !trusted.contains(&server.uid) {
        return Err(ClientError::Imitation { path: path.to_owned(), uid: server.uid });
    }
    Ok(stream.into())
}

/// The error for each way in which a socket can't be reached.
fn failed(errno: Errno, path: &Path) -> ClientError {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => ClientError::NotFound { path },
        Errno::CONNREFUSED => ClientError::NotServed { path },
        Errno::ACCESS | Errno::PERM => ClientError::Forbidden { path },
        Errno::AGAIN => ClientError::Busy { path },
        Errno::PROTOTYPE => ClientError::NotASocket { path, found: "a socket of another type" },
        Errno::NAMETOOLONG | Errno::LOOP | Errno::NOTDIR => {
            ClientError::BadPath { path, source: errno.into() }
        }
        _ => ClientError::Connect { path, source: io::Error::from(errno) },
    }
}
