//! The clients whose connections the VMM has given the server.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::Server;
use super::waiting::Newcomer;
use crate::access::{Peer, SocketKind};
use crate::adopter::{AdoptError, Adopted, Adopter};
use crate::pass::Pass;
use crate::transport::Transport;

/// The most clients that are admitted before the connected ones are served.
const ADMITTED_AT_ONCE: usize = 16;

impl Server {
    /// Serves a connection that is there already: one end of a socket pair, a connection that another program has accepted (systemd's
    /// `Accept=yes`), or one that has brought a request to be connected to the console. See [`Adopter::adopt`] for the rules.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    ///
    /// # use vuart_endpoint::Console;
    /// use vuart_server::{Server, ServerOptions, SocketKind, Sockets};
    ///
    /// # let (_writer, scrollback) = vuart_scrollback::Scrollback::new(4096)?;
    /// # let (console, _input) = Console::new(scrollback, || ());
    /// let server = Server::new("vm0", console, Sockets::default(), ServerOptions::default())?;
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// server.adopt(ours, SocketKind::Raw)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AdoptError`]. The connection is closed then.
    pub fn adopt(&self, stream: UnixStream, kind: SocketKind) -> Result<(), AdoptError> {
        self.adopter().adopt(stream, kind)
    }

    /// Makes a handle that gives the server connections later, from any thread.
    pub fn adopter(&self) -> Adopter {
        Adopter::new(&self.adopted, self.context.console.clone())
    }

    /// Admits the clients whose connections have been given to the server.
    pub(super) fn admit_adopted(&mut self, pass: &mut Pass) {
        let now = Instant::now();
        for _ in 0..ADMITTED_AT_ONCE {
            let Some(Adopted { stream, credentials, door }) = self.adopted.pop() else { return };
            if self.users.arrives(credentials.uid, now).is_err() {
                self.hold_back(Newcomer { stream, credentials, door }, pass);
                continue;
            }
            let peer = Peer::of(&stream, credentials, door, self.options.programs, self.context.own);
            self.admit(Transport::Socket(stream), &peer, pass);
        }
        // There may be more. The others are served first.
        self.context.console.doorbell().ring();
    }
}
