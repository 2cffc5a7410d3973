//! The private directory where servers put their sockets and clients find them.
//!
//! A served console `NAME` has these files there, as far as its server was told to make them:
//!
//! | file | what it is |
//! |---|---|
//! | `NAME.ctl` | the control socket, which speaks the framed protocol |
//! | `NAME.sock` | a raw stream of bytes |
//! | `NAME.ro.sock` | the same stream, for watching only |
//! | `NAME.pty` | a link to a pseudo-terminal |
//! | `NAME.lock` | the lock of the server |
//!
//! The lock decides whether a console is served, not the sockets. The kernel drops the lock when its holder dies, however
//! it dies. So the next server of that name removes what a killed server has left, and no other process does.
//!
//! This module is here and not in `vuart-server`, because clients look names up in the directory, and must not link the
//! server for that.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, Stat, chmod, chmodat, chownat, fstat, openat};
use rustix::io::Errno;

use crate::client::Client;
use crate::client_error::ClientError;

/// What is wrong with the directory or with a name in it. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeDirError {
    /// The directory is missing and can't be created.
    #[error("can't create {}: {source}; set VUART_RUNTIME_DIR to a directory that you can write", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The directory can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The directory can't be given to the group.
    #[error("can't share {} with group {gid}: {source}; are you in that group?", path.display())]
    Share {
        /// The directory.
        path: PathBuf,
        /// The group.
        gid: u32,
        /// The underlying error.
        source: io::Error,
    },
    /// The path is a link or a file, not a directory.
    #[error("{} is a file or a link, not a directory; set VUART_RUNTIME_DIR to a directory of your own", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Another user owns the directory, and could put an imitation of a console into it.
    #[error("{0} belongs to uid {uid}, not to you; if a console there is open to your group, name the path of its socket, {0}/NAME.ctl; for consoles of your own, set VUART_RUNTIME_DIR", path.display())]
    NotYours {
        /// The directory.
        path: PathBuf,
        /// The directory's owner.
        uid: u32,
    },
    /// Others may enter the directory, or its group may put files into it. It has been made for consoles: it holds nothing else.
    #[error("{} is open to others (mode {mode:04o}); `chmod 700` it, or set VUART_RUNTIME_DIR to a directory of your own", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// The directory's permissions.
        mode: u32,
    },
    /// The directory is open to others, or was to be shared with a group, and holds other files than a console's. So it was not made for
    /// consoles, and its mode is not to be changed.
    #[error("{} holds other files than those of consoles; set VUART_RUNTIME_DIR to a directory for consoles alone", path.display())]
    OtherFiles {
        /// The directory.
        path: PathBuf,
    },
    /// The name can't be a console's.
    #[error(
        "{name:?} is no console name: letters, digits, '.', '_' and '-', at most 64, a letter or digit first, and no .ro at its end"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The path is longer than the system allows for a Unix socket.
    #[error("{} is too long for a socket ({} bytes of at most 107); set VUART_RUNTIME_DIR to a shorter path", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
}

/// The longest path of a Unix socket, in bytes: `sun_path` without its terminator.
const SOCKET_PATH_MAX: usize = 107;

/// The directory of a user's consoles: mode 0700, or 0750 if it is [shared with a group](RuntimeDir::create_shared).
///
/// This is a path, and not an open directory: a process that gives up its rights keeps no way back. Each use opens the directory, checks
/// what was opened, and reaches the files in it by way of that descriptor ([`enter`](Self::enter)). So it is never another directory that
/// is used, also if others may write the directory's parent.
#[derive(Debug, Clone)]
pub struct RuntimeDir {
    path: PathBuf,
}

/// The endings of the files of a console. The one with the tilde is there for a moment, while the link is replaced.
const ENDINGS: [&str; 6] = [".ctl", ".ro.sock", ".sock", ".pty", ".pty~", ".lock"];

impl RuntimeDir {
    /// The default directory of this user: `$VUART_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/vuart`, else `/run/vuart` for root
    /// and `/tmp/vuart-UID` for others. An empty variable counts as unset.
    pub fn default_path() -> PathBuf {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let uid = rustix::process::geteuid();
        set("VUART_RUNTIME_DIR")
            .or_else(|| set("XDG_RUNTIME_DIR").map(|dir| dir.join("vuart")))
            .unwrap_or_else(|| {
                if uid.is_root() {
                    "/run/vuart".into()
                } else {
                    format!("/tmp/vuart-{}", uid.as_raw()).into()
                }
            })
    }

    /// Opens the directory to serve consoles in it. Creates it if it is missing, but not its parents.
    ///
    /// # Errors
    ///
    /// When the directory can't be created, or is not a private directory of this user.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, RuntimeDirError> {
        let path = path.into();
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(RuntimeDirError::Create { path, source })
            }
            _ => {
                let dir = Self { path };
                let (open, found) = dir.look()?;
                // Under a umask that takes its owner's rights, the new directory has no mode at all.
                if Mode::from_raw_mode(found.st_mode & 0o777).is_empty() {
                    // By way of the descriptor. If it fails, the use of the directory says so.
                    let _ = chmod(format!("/proc/self/fd/{}", open.as_raw_fd()), Mode::RWXU);
                }
                Ok(dir)
            }
        }
    }

    /// Opens or creates a directory that the members of a group may enter and list (mode 0750). The server decides which
    /// sockets they may connect to, when it binds them.
    ///
    /// # Errors
    ///
    /// When the directory can't be created or given to the group, another user could write to it, or it holds
    /// [other files](RuntimeDirError::OtherFiles) than those of consoles.
    pub fn create_shared(path: impl Into<PathBuf>, gid: u32) -> Result<Self, RuntimeDirError> {
        let dir = Self::create(path)?;
        let open = dir.enter()?;
        if !holds_consoles_only(&open) {
            return Err(RuntimeDirError::OtherFiles { path: dir.path });
        }
        chownat(&open, ".", None, Some(Gid::from_raw(gid)), AtFlags::empty())
            .and_then(|()| chmodat(&open, ".", Mode::RWXU | Mode::RGRP | Mode::XGRP, AtFlags::empty()))
            .map_err(|errno| RuntimeDirError::Share { path: dir.path.clone(), gid, source: errno.into() })?;
        Ok(dir)
    }

    /// Opens an existing directory to look for consoles.
    ///
    /// # Errors
    ///
    /// When the directory is missing, or is not a private directory of this user: its sockets could then be another
    /// user's imitation of a console.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RuntimeDirError> {
        let dir = Self { path: path.into() };
        dir.look()?;
        Ok(dir)
    }

    /// Opens the directory for one use, and checks that what was opened is a private directory of this user. Reach the files in it by
    /// the `*at` functions with this descriptor, which can do nothing else.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn enter(&self) -> Result<OwnedFd, RuntimeDirError> {
        Ok(self.look()?.0)
    }

    fn look(&self) -> Result<(OwnedFd, Stat), RuntimeDirError> {
        let path = || self.path.clone();
        let read = |errno: Errno| RuntimeDirError::Read { path: path(), source: errno.into() };
        // Links are not followed: a user who can place one in /tmp must not choose the directory. A slash at the end would follow it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = match openat(CWD, self.path.components().as_path(), flags, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(RuntimeDirError::NotADirectory { path: path() }),
            open => open.map_err(read)?,
        };
        let found = fstat(&open).map_err(read)?;
        if found.st_uid != rustix::process::geteuid().as_raw() {
            return Err(RuntimeDirError::NotYours { path: path(), uid: found.st_uid });
        }
        let mode = found.st_mode & 0o7777;
        // A group may enter if the server has let it in. A group or another user that may write could put an imitation in
        // a console's place.
        if mode & 0o027 == 0 {
            return Ok((open, found));
        }
        // Nobody should be advised to change the mode of /etc.
        if holds_consoles_only(&open) {
            Err(RuntimeDirError::NotPrivate { path: path(), mode })
        } else {
            Err(RuntimeDirError::OtherFiles { path: path() })
        }
    }

    /// Connects to the control socket of the console `name`, and introduces the client as `label`. The server must be a process of this
    /// user or of root.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    #[inline]
    pub fn connect(&self, name: &str, label: &str) -> Result<Client, ClientError> {
        check_name(name)?;
        Client::connect_in(self, &format!("{name}.ctl"), label)
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names that have a control socket here, whether it is served or not, in alphabetical order.
    ///
    /// # Errors
    ///
    /// When the directory can't be read.
    pub fn names(&self) -> Result<Vec<String>, RuntimeDirError> {
        let fail = |source| RuntimeDirError::Read { path: self.path.clone(), source };
        let mut names = Vec::new();
        let open = self.enter()?;
        for entry in entries(&open).map_err(|errno| fail(errno.into()))? {
            let entry = entry.map_err(|errno| fail(errno.into()))?;
            let name = entry.file_name().to_str().ok().and_then(|file| file.strip_suffix(".ctl"));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The path of a console's control socket, `NAME.ctl`.
    ///
    /// # Errors
    ///
    /// When `name` is not a console name, or the path is too long for a socket.
    pub fn control_socket(&self, name: &str) -> Result<PathBuf, RuntimeDirError> {
        self.socket(name, "ctl")
    }

    /// The path of a console's raw socket, `NAME.sock`.
    ///
    /// # Errors
    ///
    /// When `name` is not a console name, or the path is too long for a socket.
    pub fn raw_socket(&self, name: &str) -> Result<PathBuf, RuntimeDirError> {
        self.socket(name, "sock")
    }

    /// The path of a console's read-only socket, `NAME.ro.sock`.
    ///
    /// # Errors
    ///
    /// When `name` is not a console name, or the path is too long for a socket.
    pub fn read_only_socket(&self, name: &str) -> Result<PathBuf, RuntimeDirError> {
        self.socket(name, "ro.sock")
    }

    fn socket(&self, name: &str, kind: &str) -> Result<PathBuf, RuntimeDirError> {
        check_name(name)?;
        let path = self.path.join(format!("{name}.{kind}"));
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(RuntimeDirError::TooLong { path });
        }
        Ok(path)
    }
}

/// The directory's entries. The descriptor that it was entered by can't list them.
fn entries(open: &OwnedFd) -> rustix::io::Result<Dir> {
    Dir::new(openat(open, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Whether there is nothing in the directory but what consoles put there.
fn holds_consoles_only(open: &OwnedFd) -> bool {
    let is_console = |file: &str| {
        let name = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending));
        name.is_some_and(|name| check_name(name).is_ok())
    };
    entries(open).is_ok_and(|mut entries| {
        entries.all(|entry| {
            entry.is_ok_and(|entry| match entry.file_name().to_bytes() {
                b"." | b".." => true,
                file => std::str::from_utf8(file).is_ok_and(is_console),
            })
        })
    })
}

fn check_name(name: &str) -> Result<(), RuntimeDirError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let ends = name.as_bytes().ends_with(b".ro");
    // The raw socket of "vm0.ro" would be the read-only socket of "vm0".
    if name.len() <= 64 && begins && name.chars().all(plain) && !ends {
        Ok(())
    } else {
        Err(RuntimeDirError::BadName { name: name.to_owned() })
    }
}
