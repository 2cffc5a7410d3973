//! The private directory in which servers and clients meet.
//!
//! A served console `NAME` has files there: `NAME.sock` (a raw stream), `NAME.ro.sock` (the same, to watch), `NAME.ctl` (the
//! framed protocol), `NAME.pty` (a link to a pseudo-terminal) as far as it is served on them, and `NAME.lock`. The lock decides whether a console is served, not the sockets: the kernel drops it when its holder
//! dies, however it dies, so what a killed server left behind is removed by the next one and by nobody else.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, OFlags};

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
    /// in it they may connect to is said when these are [bound](crate::Sockets::for_group).
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

    fn socket(&self, name: &str, kind: &str) -> Result<PathBuf, RuntimeDirError> {
        check_name(name)?;
        let path = self.path.join(format!("{name}.{kind}"));
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(RuntimeDirError::TooLong { path });
        }
        Ok(path)
    }

    /// Claims a name for a console that this process will serve, and removes what a dead server left of it.
    ///
    /// # Errors
    ///
    /// When the name is no name, or another process serves it.
    pub fn claim(&self, name: &str) -> Result<Claim, RuntimeDirError> {
        let raw = self.socket(name, "sock")?;
        let read_only = self.socket(name, "ro.sock")?;
        let control = self.socket(name, "ctl")?;
        let pty = self.path.join(format!("{name}.pty"));
        let path = self.path.join(format!("{name}.lock"));
        let fail = |source| RuntimeDirError::Lock { path: path.clone(), source };
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
                    return Err(RuntimeDirError::Taken { name: name.to_owned(), pid });
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
            let claim = Claim { name: name.to_owned(), raw, read_only, control, pty, path, lock };
            claim.remove_files();
            return Ok(claim);
        }
        Err(fail(io::ErrorKind::ResourceBusy.into()))
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

    /// The path of the control socket: the [framed protocol](crate::wire).
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

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

    #[test]
    fn names_that_are_none() {
        let (_temp, dir) = dir();
        for name in ["", ".", "..", ".hidden", "a/b", "-x", "é", "a b", "a\n", "vm0.ro", &"x".repeat(65)] {
            assert!(matches!(dir.claim(name), Err(RuntimeDirError::BadName { .. })), "{name:?}");
        }
        assert!(dir.claim(&"x".repeat(64)).is_ok() || dir.path().as_os_str().len() > 40);
    }

    #[test]
    fn one_server_a_name_and_its_files_go_with_it() {
        let (_temp, dir) = dir();
        let claim = dir.claim("vm0").unwrap();
        let pid = std::process::id().to_string();
        assert!(matches!(dir.claim("vm0"), Err(RuntimeDirError::Taken { pid: by, .. }) if by == pid));
        let listener = UnixListener::bind(claim.control_socket()).unwrap();
        assert_eq!(dir.names().unwrap(), ["vm0"]);
        drop((claim, listener));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(dir.claim("vm0").is_ok());
    }

    #[test]
    fn what_a_killed_server_left_is_removed() {
        let (_temp, dir) = dir();
        // A lock file that nobody locks, and a socket that nobody listens on.
        fs::write(dir.path().join("vm0.lock"), "1\n").unwrap();
        drop(UnixListener::bind(dir.path().join("vm0.ctl")).unwrap());
        drop(UnixListener::bind(dir.path().join("vm0.ro.sock")).unwrap());
        std::os::unix::fs::symlink("/dev/pts/0", dir.path().join("vm0.pty")).unwrap();
        let _claim = dir.claim("vm0").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the lock");
    }

    #[test]
    fn a_lock_file_that_is_a_link_is_refused() {
        let (temp, dir) = dir();
        fs::write(temp.path().join("target"), "").unwrap();
        std::os::unix::fs::symlink(temp.path().join("target"), dir.path().join("vm0.lock")).unwrap();
        assert!(matches!(dir.claim("vm0"), Err(RuntimeDirError::Lock { .. })));
    }

    #[test]
    fn one_that_has_lost_its_lock_file_leaves_its_successor_alone() {
        let (_temp, dir) = dir();
        let first = dir.claim("vm0").unwrap();
        fs::remove_file(dir.path().join("vm0.lock")).unwrap();
        let second = dir.claim("vm0").unwrap();
        let _listener = UnixListener::bind(second.control_socket()).unwrap();
        drop(first);
        assert!(second.control_socket().exists());
        assert!(matches!(dir.claim("vm0"), Err(RuntimeDirError::Taken { .. })));
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let (_temp, dir) = dir();
        for file in ["vm0.sock", "vm0.pty"] {
            fs::write(dir.path().join(file), "precious").unwrap();
        }
        drop(dir.claim("vm0").unwrap());
        for file in ["vm0.sock", "vm0.pty"] {
            assert!(dir.path().join(file).exists());
        }
    }

    #[test]
    fn a_path_that_no_socket_can_have() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(temp.path().join("x".repeat(110))).unwrap();
        assert!(matches!(dir.claim("vm0"), Err(RuntimeDirError::TooLong { .. })));
    }
}
