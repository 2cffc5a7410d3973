//! The private directory in which servers and clients meet.
//!
//! A served console `NAME` has files there: `NAME.sock` (a raw stream), `NAME.ro.sock` (the same, to watch), `NAME.ctl` (the
//! framed protocol), `NAME.pty` (a link to a pseudo-terminal) as far as it is served on them, and `NAME.lock`. The lock decides whether a console is served, not the sockets: the kernel drops it when its holder
//! dies, however it dies, so what a killed server left behind is removed by the next one and by nobody else.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Gid;

/// What can be wrong with the directory or a name in it. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeDirError {
    /// It is not there and can't be made.
    #[error("can't create {}: {source}; set VUART_RUNTIME_DIR to a directory that you can write", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be given to a group.
    #[error("can't share {} with group {gid}: {source}; are you in that group?", path.display())]
    Share {
        /// The directory.
        path: PathBuf,
        /// The group.
        gid: u32,
        /// Why.
        source: io::Error,
    },
    /// Something else has its name.
    #[error("{} is not a directory; remove it or set VUART_RUNTIME_DIR", path.display())]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// Somebody else made it, perhaps to be attached to in your place.
    #[error("{} belongs to uid {uid}, not to you; set VUART_RUNTIME_DIR to a directory of your own", path.display())]
    NotYours {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others may enter it, or a group may put files into it.
    #[error("{0} is open to others (mode {mode:04o}); run: chmod 700 {0}", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A name that is no file name, or one that hides.
    #[error(
        "{name:?} is no console name: letters, digits, '.', '_' and '-', at most 64, a letter or digit first, and no .ro at its end"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// Unix sockets have short paths.
    #[error("{} is too long for a socket ({} bytes of at most 107); set VUART_RUNTIME_DIR to a shorter path", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
}

/// The longest path of a Unix socket, in bytes (`sun_path` less its terminator).
const SOCKET_PATH_MAX: usize = 107;

/// A directory of mode 0700 that belongs to this user, or 0750 if it is [shared](RuntimeDir::create_shared).
#[derive(Debug, Clone)]
pub struct RuntimeDir {
    path: PathBuf,
}

impl RuntimeDir {
    /// Where consoles of this user are: `$VUART_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/vuart`, else `/run/vuart` for root
    /// and `/tmp/vuart-UID` for everybody else.
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

    /// Opens the directory to serve consoles in it; makes it, but not its parents, when it is missing.
    ///
    /// # Errors
    ///
    /// When it can't be made, or is not a private directory of this user's.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, RuntimeDirError> {
        let path = path.into();
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(RuntimeDirError::Create { path, source })
            }
            _ => Self::open(path),
        }
    }

    /// The same, for a directory that the members of a group (by its number) may enter and list, mode 0750. Which of the sockets
    /// in it they may connect to is said when the server binds them.
    ///
    /// # Errors
    ///
    /// When it can't be made or given to the group, or is not a directory of this user's that nobody else can write.
    pub fn create_shared(path: impl Into<PathBuf>, gid: u32) -> Result<Self, RuntimeDirError> {
        let dir = Self::create(path)?;
        let fail = |source| RuntimeDirError::Share { path: dir.path.clone(), gid, source };
        rustix::fs::chown(&dir.path, None, Some(Gid::from_raw(gid))).map_err(|error| fail(error.into()))?;
        fs::set_permissions(&dir.path, Permissions::from_mode(0o750)).map_err(fail)?;
        Ok(dir)
    }

    /// Opens the directory to look for consoles; it must be there.
    ///
    /// # Errors
    ///
    /// When it is not there, or is not a private directory of this user's: what is in it may then be somebody else's
    /// imitation of a console.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RuntimeDirError> {
        let path = path.into();
        // Not following a link: whoever can place one in /tmp must not choose where we go.
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
        // A group that may enter has been let in by us; who may write could put an imitation in a console's place.
        if mode & 0o027 != 0 {
            return Err(RuntimeDirError::NotPrivate { path, mode });
        }
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names that have a control socket here, served or not, in order.
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

    /// The control socket of a console.
    ///
    /// # Errors
    ///
    /// When `name` can't be a console's.
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
    // The raw socket of vm0.ro would be the read-only one of vm0.
    if name.len() <= 64 && begins && name.chars().all(plain) && !ends {
        Ok(())
    } else {
        Err(RuntimeDirError::BadName { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn dir() -> (tempfile::TempDir, RuntimeDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(temp.path().join("vuart")).unwrap();
        (temp, dir)
    }

    #[test]
    fn made_private_and_refused_otherwise() {
        let (_temp, dir) = dir();
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(RuntimeDir::open(dir.path()), Err(RuntimeDirError::NotPrivate { mode: 0o755, .. })));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(RuntimeDir::open(dir.path()), Err(RuntimeDirError::NotPrivate { mode: 0o770, .. })));
    }

    #[test]
    fn shared_with_a_group_that_can_not_write() {
        let (_temp, dir) = dir();
        let gid = rustix::process::getegid().as_raw();
        RuntimeDir::create_shared(dir.path(), gid).unwrap();
        let metadata = fs::metadata(dir.path()).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o750, gid));
        // Its own user and the server that comes back find it in order.
        assert!(RuntimeDir::create(dir.path()).is_ok());
    }

    #[test]
    fn a_link_is_not_followed() {
        let (temp, dir) = dir();
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(matches!(RuntimeDir::create(link), Err(RuntimeDirError::NotADirectory { .. })));
    }
}
