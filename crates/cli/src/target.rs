//! Which console a command is about.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use vuart_wire::{Client, ClientError, RuntimeDir, RuntimeDirError};

use crate::error::Error;

/// A console, by its name in the runtime directory or by the path of a socket of its.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// In the runtime directory.
    Name(String),
    /// Of the control socket.
    Path(PathBuf),
}

impl Target {
    /// What the user wrote: with a slash in it, it is a path. Beside a raw socket stands the control socket.
    pub(crate) fn parse(argument: &OsStr) -> Result<Self, RuntimeDirError> {
        if !argument.as_encoded_bytes().contains(&b'/') {
            return match argument.to_str() {
                Some(name) => Ok(Self::Name(name.to_owned())),
                None => Err(RuntimeDirError::BadName { name: argument.to_string_lossy().into_owned() }),
            };
        }
        let path = Path::new(argument);
        let raw = path.extension() == Some(OsStr::new("sock"));
        Ok(Self::Path(if raw { path.with_extension("ctl") } else { path.to_owned() }))
    }

    /// The file that the argument is the path of, if it is there and no socket.
    pub(crate) fn file(argument: &OsStr) -> Option<&Path> {
        let path = Path::new(argument);
        let is_path = argument.as_encoded_bytes().contains(&b'/');
        (is_path && fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())).then_some(path)
    }

    /// Connects to its server as `label`.
    pub(crate) fn connect(&self, label: &str) -> Result<Client, Error> {
        match self {
            Self::Path(path) => Ok(Client::connect(path, label)?),
            Self::Name(name) => {
                let path = RuntimeDir::default_path();
                let missing = || Error::NoSuchConsole { name: name.clone(), dir: path.clone() };
                let dir = match RuntimeDir::open(&path) {
                    Err(RuntimeDirError::Read { source, .. })
                        if source.kind() == std::io::ErrorKind::NotFound =>
                    {
                        return Err(missing());
                    }
                    dir => dir?,
                };
                match Client::connect(&dir.control_socket(name)?, label) {
                    Err(ClientError::NotFound { .. }) => Err(missing()),
                    Err(ClientError::NotServed { .. }) => Err(Error::NotServed { name: name.clone() }),
                    client => Ok(client?),
                }
            }
        }
    }

    /// What to write on a command line to mean it.
    pub(crate) fn argument(&self) -> OsString {
        match self {
            Self::Name(name) => name.into(),
            Self::Path(path) => path.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_makes_a_path_and_the_control_socket_stands_beside_the_raw_one() {
        let parse = |text: &str| Target::parse(OsStr::new(text)).unwrap();
        assert_eq!(parse("vm0"), Target::Name("vm0".to_owned()));
        assert_eq!(parse("vm0.sock"), Target::Name("vm0.sock".to_owned()));
        for path in ["/run/vuart/vm0.ctl", "/run/vuart/vm0.sock"] {
            assert_eq!(parse(path), Target::Path("/run/vuart/vm0.ctl".into()));
        }
        assert_eq!(parse("./console"), Target::Path("./console".into()));
    }
}
