//! A console served as a VMM serves it: on a thread of its own.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use vuart::endpoint::{Cause, Console, Mode};
use vuart::scrollback::Position;
use vuart::server::{Claim, Server, ServerThread};
use vuart::wire::{Client, RuntimeDir};

/// A served console, in a runtime directory of its own.
pub(crate) struct Served {
    console: Console,
    control: PathBuf,
    server: ServerThread,
    _dir: TempDir,
}

impl Served {
    pub(crate) fn new(console: &Console) -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let claim = Claim::new(&RuntimeDir::create(dir.path().join("vuart"))?, "bench")?;
        let control = claim.control_socket().to_owned();
        let server = ServerThread::start(Server::bind(claim, console.clone())?)?;
        Ok(Self { console: console.clone(), control, server, _dir: dir })
    }

    /// Connects a client that is not attached.
    pub(crate) fn connect(&self) -> Result<Client, Box<dyn Error>> {
        Ok(Client::connect(&self.control, "bench")?)
    }

    /// Connects a client, and attaches it with the whole history.
    pub(crate) fn attach(&self, mode: Mode) -> Result<Client, Box<dyn Error>> {
        let mut client = self.connect()?;
        client.attach(mode, Position::Oldest)?;
        Ok(client)
    }

    /// Ends the console: each client receives what it is owed, and then the session's end.
    pub(crate) fn end(&self) {
        self.console.end(&Cause::VmEnded);
    }

    /// Stops the server. See [`finish`].
    pub(crate) fn finish(self) -> Result<(), Box<dyn Error>> {
        finish(self.server)
    }
}

/// Stops a server.
///
/// # Errors
///
/// When a client did not receive in ten seconds what it was owed.
pub(crate) fn finish(server: ServerThread) -> Result<(), Box<dyn Error>> {
    Ok(server.finish(Duration::from_secs(10))?)
}
