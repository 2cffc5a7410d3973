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
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Gid;

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
    #[error("{} is not a directory; remove it or set VUART_RUNTIME_DIR", path.display())]
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
    /// Others may enter the directory, or its group may put files into it.
    #[error("{0} is open to others (mode {mode:04o}); run: chmod 700 {0}", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// The directory's permissions.
        mode: u32,
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
#[derive(Debug, Clone)]
pub struct RuntimeDir {
    path: PathBuf,
}

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
            _ => Self::open(path),
        }
    }

    /// Opens or creates a directory that the members of a group may enter and list (mode 0750). The server decides which
    /// sockets they may connect to, when it binds them.
    ///
    /// # Errors
    ///
    /// When the directory can't be created or given to the group, or another user could write to it.
    pub fn create_shared(path: impl Into<PathBuf>, gid: u32) -> Result<Self, RuntimeDirError> {
        let dir = Self::create(path)?;
        let fail = |source| RuntimeDirError::Share { path: dir.path.clone(), gid, source };
        rustix::fs::chown(&dir.path, None, Some(Gid::from_raw(gid))).map_err(|error| fail(error.into()))?;
        fs::set_permissions(&dir.path, Permissions::from_mode(0o750)).map_err(fail)?;
        Ok(dir)
    }

    /// Opens an existing directory to look for consoles.
    ///
    /// # Errors
    ///
    /// When the directory is missing, or is not a private directory of this user: its sockets could then be another
    /// user's imitation of a console.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RuntimeDirError> {
        let path = path.into();
        // Links are not followed: a user who can place one in /tmp must not choose the directory.
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(source) => return Err(RuntimeDirError::Read { path, source }),
        };
        if !metadata.is_dir() {
            return Err(RuntimeDirError::NotADirectory { path });
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(RuntimeDirError::NotYours { path, uid: metadata.uid() });
        }
        let mode = metadata.mode() & 0o7777;
        // A group may enter if the server has let it in. A group or another user that may write could put an imitation in
        // a console's place.
        if mode & 0o027 != 0 {
            return Err(RuntimeDirError::NotPrivate { path, mode });
        }
        Ok(Self { path })
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
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let file = entry.map_err(fail)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".ctl"));
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
