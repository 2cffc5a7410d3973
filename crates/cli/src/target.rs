//! The console that a command is about: how it is named on the command line, and how it is reached.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use clap_complete::CompletionCandidate;
use clap_complete::engine::{PathCompleter, ValueCompleter as _};
use vuart_wire::{Client, ClientError, RuntimeDir, RuntimeDirError};

use crate::error::Error;

/// A console, by its name in the runtime directory or by the path of one of its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The console's name in the runtime directory.
    Name(String),
    /// The path of the control socket.
    Path(PathBuf),
}

impl Target {
    /// Parses an argument. With a slash in it, it is a path. The path of a raw socket means the control socket beside it.
    pub(crate) fn parse(argument: &OsStr) -> Result<Self, RuntimeDirError> {
        if !is_path(argument) {
            return match argument.to_str() {
                Some(name) => Ok(Self::Name(name.to_owned())),
                None => Err(RuntimeDirError::BadName { name: argument.to_string_lossy().into_owned() }),
            };
        }
        let path = Path::new(argument);
        let raw = path.extension() == Some(OsStr::new("sock"));
        Ok(Self::Path(if raw { path.with_extension("ctl") } else { path.to_owned() }))
    }

    /// The argument as the path of a file, if the file exists and is not a socket.
    pub(crate) fn file(argument: &OsStr) -> Option<&Path> {
        let path = Path::new(argument);
        let exists = || fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket());
        (is_path(argument) && exists()).then_some(path)
    }

    /// Connects to the console's server as `label`.
    pub(crate) fn connect(&self, label: &str) -> Result<Client, Error> {
        match self {
            Self::Path(path) => Ok(Client::connect(path, label)?),
            Self::Name(name) => {
                let path = RuntimeDir::default_path();
                let missing = || Error::NoSuchConsole { name: name.clone(), dir: path.clone() };
                let dir = match RuntimeDir::open(&path) {
                    Err(RuntimeDirError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
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

    /// The argument that names this console on a command line.
    pub(crate) fn argument(&self) -> OsString {
        match self {
            Self::Name(name) => name.into(),
            Self::Path(path) => path.into(),
        }
    }
}

/// Completes a partly typed argument: with the names of consoles, or with paths once it contains a slash.
///
/// It offers only consoles that somebody serves, and does not ask any server.
pub(crate) fn candidates(begun: &OsStr) -> Vec<CompletionCandidate> {
    if is_path(begun) {
        return PathCompleter::any().complete(begun);
    }
    let Ok(dir) = RuntimeDir::open(RuntimeDir::default_path()) else { return Vec::new() };
    let begun = begun.to_string_lossy();
    let is_served = |name: &str| dir.control_socket(name).is_ok_and(|path| Client::is_served(&path));
    dir.names()
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with(begun.as_ref()) && is_served(name))
        .map(CompletionCandidate::new)
        .collect()
}

fn is_path(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().contains(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_makes_a_path_and_a_raw_socket_means_its_control_socket() {
        let parse = |text: &str| Target::parse(OsStr::new(text)).unwrap();
        assert_eq!(parse("vm0"), Target::Name("vm0".to_owned()));
        assert_eq!(parse("vm0.sock"), Target::Name("vm0.sock".to_owned()));
        for path in ["/run/vuart/vm0.ctl", "/run/vuart/vm0.sock"] {
            assert_eq!(parse(path), Target::Path("/run/vuart/vm0.ctl".into()));
        }
        assert_eq!(parse("./console"), Target::Path("./console".into()));
    }
}
