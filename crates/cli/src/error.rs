//! The errors of the command: a message that says what to do, and the exit status.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use vuart_endpoint::{End, Identity, Printable, Refused, Timestamp};
use vuart_scrollback::FileError;
use vuart_wire::{ClientError, ErrorCode, RuntimeDirError};

#[cfg(feature = "demo")]
use crate::demo::DemoError;
use crate::exit::Exit;
use crate::time::{ago, with_age};

/// The reason why a command failed. It is shown as one text line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no console {name:?} in {}; `vuart list` shows those that there are", dir.display())]
    NoSuchConsole { name: String, dir: PathBuf },

    #[error("there is no console at {}; `vuart list` shows those that there are", path.display())]
    NoConsoleAt { path: PathBuf },

    #[error("nobody serves the console {name:?}: what served it has died")]
    NotServed { name: String },

    #[error("{console} is held by {holder} since {}; {instead}", with_age(*since))]
    Held { console: String, holder: Identity, since: Timestamp, instead: &'static str },

    #[error("{console}: {ended}")]
    Over { console: String, ended: String },

    #[error("{console} is switched off since {}", with_age(*since))]
    Disabled { console: String, since: Timestamp },

    #[error("{console}: {end}; not all that was sent has reached the guest")]
    Cut { console: String, end: End },

    #[error("{console}: {end}")]
    Ended { console: String, end: End },

    #[error("{console}: the guest has taken nothing for {seconds} s")]
    NotTaken { console: String, seconds: u64 },

    #[error("the server of {console} has shut down; `vuart list` shows whether another has taken its place")]
    ShutDown { console: String },

    #[error(transparent)]
    Client(ClientError),

    #[error(transparent)]
    Directory(#[from] RuntimeDirError),

    #[error("--fill takes one FILE")]
    OneFile,

    #[error("{}: {source}", path.display())]
    Ring { path: PathBuf, source: FileError },

    #[error("{} is {what}, and no console's ring", path.display())]
    NoRing { path: PathBuf, what: &'static str },

    #[error("can't open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },

    #[error("can't write manual pages to {}: {source}", path.display())]
    Manual { path: PathBuf, source: io::Error },

    #[error("can't read standard input: {0}")]
    Stdin(#[source] io::Error),

    #[error("can't write to standard output: {0}")]
    Stdout(#[source] io::Error),

    #[error("can't set the terminal up: {0}")]
    Terminal(#[source] Errno),

    #[error("can't {operation} (is a limit on processes or open files reached? see `ulimit -a`): {source}")]
    Host { operation: &'static str, source: io::Error },

    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] DemoError),
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotFound { path } => Self::NoConsoleAt { path },
            error => Self::Client(error),
        }
    }
}

impl Error {
    /// The error for an attach that the server refused. It suggests what `vuart attach` can do instead.
    pub(crate) fn refused(refused: Refused, console: impl Into<String>) -> Self {
        let console = console.into();
        match refused {
            Refused::Held { holder, since } => {
                let instead = "take it over with --force, wait for it with --wait, or watch with --spy";
                Self::Held { console, holder, since, instead }
            }
            Refused::Ended { end } => Self::Over { console, ended: format!("{end}{}", ago(end.at)) },
            Refused::Disabled { since } => Self::Disabled { console, since },
            other => ClientError::Refused(other).into(),
        }
    }

    /// The exit status that tells scripts what went wrong.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::OneFile | Self::NoRing { .. } => Exit::USAGE,
            Self::Ring { source, .. } => Exit::of_ring_file(source),
            Self::Open { source, .. } => Exit::of_open(source),
            Self::NoSuchConsole { .. }
            | Self::NoConsoleAt { .. }
            | Self::NotServed { .. }
            | Self::Over { .. } => Exit::NO_CONSOLE,
            Self::Held { .. } => Exit::IN_USE,
            Self::ShutDown { .. } => Exit::LOST,
            Self::Disabled { .. } => Exit::DISABLED,
            Self::NotTaken { .. } => Exit::NOT_TAKEN,
            Self::Cut { end, .. } | Self::Ended { end, .. } => Exit::of_cause(&end.cause),
            Self::Client(error) => of_client(error),
            Self::Directory(error) => Exit::of_runtime_dir(error),
            Self::Manual { .. }
            | Self::Stdin(_)
            | Self::Stdout(_)
            | Self::Terminal(_)
            | Self::Host { .. } => Exit::FAILURE,
            #[cfg(feature = "demo")]
            Self::Demo(error) => error.exit(),
        }
    }

    /// The text line for standard error. Causes that the message does not contain yet are appended. A path in it may be a file
    /// that somebody else has named.
    pub(crate) fn line(&self) -> String {
        let mut line = self.to_string();
        let mut error: &dyn std::error::Error = self;
        while let Some(source) = error.source() {
            let cause = source.to_string();
            if !line.contains(&cause) {
                line = format!("{line}: {cause}");
            }
            error = source;
        }
        Printable(&line).to_string()
    }
}

/// The exit status for an error of the client.
fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::NotFound { .. } | ClientError::NotServed { .. } => Exit::NO_CONSOLE,
        ClientError::Forbidden { .. } | ClientError::Refused(Refused::Forbidden) => Exit::NOT_PERMITTED,
        ClientError::Server(error) if error.code == ErrorCode::Forbidden => Exit::NOT_PERMITTED,
        ClientError::Server(error) if error.code == ErrorCode::NoSession => Exit::NO_CONSOLE,
        ClientError::Lost(_) => Exit::LOST,
        _ => Exit::FAILURE,
    }
}
