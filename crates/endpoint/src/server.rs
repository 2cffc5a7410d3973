//! The server: one console on two Unix sockets, as a subscriber of a rust-vmm event loop.
//!
//! It never blocks. A client that stops reading, dies, sends garbage or comes ten thousand times costs only itself.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use vuart_scrollback::{Sleeper, SleeperError};

use crate::connection::{Connection, Context, may_connect, peer_of};
use crate::console::Console;
use crate::runtime_dir::Claim;
use crate::wire::ErrorCode;

/// Why a console can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A socket can't be made.
    #[error("can't listen on {}: {source}", path.display())]
    Bind {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server can't sleep on the console's doorbell.
    #[error(transparent)]
    Sleeper(#[from] SleeperError),
    /// There is no thread or event for the server.
    #[error(
        "can't start the console's server (is a limit on processes or open files reached? see `ulimit -a`): {0}"
    )]
    Thread(#[source] io::Error),
}

/// How much of the ring is made ready for the guest, in bytes: a boot's first burst, and what an idle console's memory costs.
const TOUCHED_AHEAD: usize = 64 << 10;

/// Serves one console. Add it to an [`event_manager::EventManager`]; one loop serves any number of consoles.
///
/// Dropping it closes every connection and removes the sockets.
#[derive(Debug)]
pub struct Server {
    claim: Claim,
    context: Context,
    raw: UnixListener,
    control: UnixListener,
    connections: BTreeMap<u32, Connection>,
    next_token: u32,
    /// Of the console's doorbell.
    sleeper: Sleeper,
    /// The guest's next byte, or its next taking of input, wakes us.
    armed: bool,
    /// Given up for a moment when the process has no file descriptor left, to accept a client and send it away.
    spare: Option<UnixListener>,
    /// There was no file descriptor even so: nobody is accepted until something else happens here.
    paused: bool,
}

/// What an event is about; higher numbers are connections.
mod token {
    pub(super) const DOORBELL: u32 = 0;
    pub(super) const RAW: u32 = 1;
    pub(super) const CONTROL: u32 = 2;
    pub(super) const FIRST_CONNECTION: u32 = 3;
}

impl Server {
    /// How many clients there may be at once.
    pub const MAX_CONNECTIONS: usize = 64;

    /// How many clients are let in before the ones who are in have their turn.
    const ACCEPT_TURN: usize = 16;

    /// Listens on the sockets of a claimed name.
    ///
    /// # Errors
    ///
    /// When a socket can't be made, or there is no file descriptor left.
    pub fn bind(claim: Claim, console: Console) -> Result<Self, ServeError> {
        let raw = listen(claim.raw_socket())?;
        let control = listen(claim.control_socket())?;
        let sleeper = console.doorbell().sleeper()?;
        let spare = raw.try_clone().ok();
        let context = Context::new(console, claim.name().to_owned());
        Ok(Self {
            claim,
            context,
            raw,
            control,
            connections: BTreeMap::new(),
            next_token: token::FIRST_CONNECTION,
            sleeper,
            armed: false,
            spare,
            paused: false,
        })
    }

    /// The console's name and sockets.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Whether every client has got all that it was owed. After [`Console::end`] this is when the server can go; a
    /// client that does not read keeps it waiting, so put a bound on that.
    pub fn is_settled(&self) -> bool {
        self.connections.values().all(Connection::is_settled)
    }

    fn listener(&self, listener: u32) -> &UnixListener {
        if listener == token::RAW { &self.raw } else { &self.control }
    }

    fn accept(&mut self, listener: u32, ops: &mut EventOps<'_>) {
        for _ in 0..Self::ACCEPT_TURN {
            match accept_with(self.listener(listener), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(stream) => self.welcome(UnixStream::from(stream), listener, ops),
                Err(Errno::MFILE | Errno::NFILE) => {
                    self.turn_away(listener);
                    if self.spare.is_none() {
                        self.pause(ops);
                    }
                    return;
                }
                // EAGAIN: that was the last. Anything else is the fate of one client that is gone already.
                Err(_) => return,
            }
        }
    }

    /// Lets a client in and out again, which tells it more than a connection that nobody accepts.
    fn turn_away(&mut self, listener: u32) {
        if self.spare.take().is_some() {
            drop(accept_with(self.listener(listener), SocketFlags::CLOEXEC));
            // Another thread may have been faster.
            self.spare = self.raw.try_clone().ok();
        }
    }

    /// Without a file descriptor to accept with, a client that waits would wake the event loop for ever.
    fn pause(&mut self, ops: &mut EventOps<'_>) {
        log::warn!("console {}: no file descriptor is left, new clients have to wait", self.claim.name());
        self.paused = true;
        self.watch_listeners(EventSet::empty(), ops);
    }

    /// Something has happened: there may be a file descriptor again.
    fn resume(&mut self, ops: &mut EventOps<'_>) {
        if self.paused {
            self.spare = self.raw.try_clone().ok();
            if self.spare.is_some() {
                self.paused = false;
                self.watch_listeners(EventSet::IN, ops);
            }
        }
    }

    fn watch_listeners(&self, events: EventSet, ops: &mut EventOps<'_>) {
        for (listener, token) in [(&self.raw, token::RAW), (&self.control, token::CONTROL)] {
            if let Err(error) = ops.modify(Events::with_data(listener, token, events)) {
                log::error!("console {}: can't watch its sockets: {error:?}", self.claim.name());
            }
        }
    }

    fn welcome(&mut self, stream: UnixStream, listener: u32, ops: &mut EventOps<'_>) {
        let Ok(peer) = peer_of(&stream) else { return };
        let allowed = may_connect(&peer);
        if allowed && self.connections.len() >= Self::MAX_CONNECTIONS {
            // Those who have not said a word give way to those who may.
            let mute = self.connections.iter().find(|(_, connection)| connection.is_mute());
            if let Some(token) = mute.map(|(token, _)| *token) {
                self.close(token, ops);
            }
        }
        let full = self.connections.len() >= Self::MAX_CONNECTIONS;
        let mut connection = if listener == token::RAW && allowed && !full {
            Connection::raw(stream, peer, &self.context)
        } else if listener == token::RAW {
            Connection::raw_refused(stream, peer)
        } else {
            Connection::framed(stream, peer)
        };
        if !allowed {
            connection.refuse(ErrorCode::Forbidden, "this console belongs to another user");
        } else if full {
            connection.refuse(ErrorCode::TooMany, "too many clients; try again when one has left");
        }
        if full || !allowed {
            // One attempt to say so: a client that is sent away is given no place to wait in.
            let _ = connection.drive(false, &mut self.context);
            return;
        }
        let token = self.next_token;
        // Tokens are used again after four billion clients; one that still has its connection is passed over.
        self.next_token = self.next_token.checked_add(1).unwrap_or(token::FIRST_CONNECTION);
        if self.connections.contains_key(&token) || connection.drive(true, &mut self.context).is_err() {
            return;
        }
        let events = Events::with_data(connection.stream(), token, connection.interest());
        match ops.add(events) {
            Ok(()) => {
                self.connections.insert(token, connection);
            }
            Err(error) => log::warn!("console {}: can't watch a client: {error:?}", self.claim.name()),
        }
    }

    fn close(&mut self, token: u32, ops: &mut EventOps<'_>) {
        if let Some(connection) = self.connections.remove(&token) {
            // Closing the file descriptor removes it too; this keeps the event manager's own table right.
            let _ = ops.remove(Events::empty(connection.stream()));
            drop(connection);
            self.resume(ops);
        }
    }

    fn drive(&mut self, token: u32, readable: bool, ops: &mut EventOps<'_>) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let before = connection.interest();
        if connection.drive(readable, &mut self.context).is_err() {
            self.close(token, ops);
            return;
        }
        let interest = connection.interest();
        if interest != before {
            let events = Events::with_data(connection.stream(), token, interest);
            if ops.modify(events).is_err() {
                self.close(token, ops);
            }
        }
    }

    fn rung(&mut self, ops: &mut EventOps<'_>) {
        self.resume(ops);
        self.sleeper.acknowledge();
        self.armed = false;
        // Before it is armed again: while there is work, the guest need not ring.
        self.drive_all(ops);
    }

    /// Spares the guest the page faults of the ring's first lap, as far as we happen to run. (To be woken for it would cost the
    /// guest more than they do.)
    fn touch_ahead(&self) {
        // The guest touches them itself where the system can't: that is slower, and nothing else.
        let _ = self.context.console.scrollback().touch_ahead(TOUCHED_AHEAD);
    }

    fn drive_all(&mut self, ops: &mut EventOps<'_>) {
        let tokens: Vec<u32> = self.connections.keys().copied().collect();
        for token in tokens {
            self.drive(token, false, ops);
        }
    }

    /// If the guest can have something for one of our clients, has us woken for it. (What is for all, such as the end,
    /// rings in any case.) While nobody is there, or nobody reads, the guest does not pay for our wake-ups.
    fn arm(&mut self, ops: &mut EventOps<'_>) {
        // While it is paused, anything that happens is a reason to try again.
        let awaits = self.paused || self.connections.values().any(Connection::awaits_guest);
        if self.armed || !awaits {
            return;
        }
        self.sleeper.arm();
        self.armed = true;
        // What has come before is looked at now, and what comes after rings.
        self.drive_all(ops);
    }
}

impl MutEventSubscriber for Server {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        self.touch_ahead();
        for (fd, token) in [
            (self.sleeper.as_raw_fd(), token::DOORBELL),
            (self.raw.as_raw_fd(), token::RAW),
            (self.control.as_raw_fd(), token::CONTROL),
        ] {
            if let Err(error) = ops.add(Events::with_data_raw(fd, token, EventSet::IN)) {
                log::error!("console {}: can't be served: {error:?}", self.claim.name());
            }
        }
    }

    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        match events.data() {
            token::DOORBELL => self.rung(ops),
            listener @ (token::RAW | token::CONTROL) => self.accept(listener, ops),
            token => {
                let set = events.event_set();
                if set.intersects(EventSet::HANG_UP | EventSet::ERROR) {
                    if let Some(connection) = self.connections.get_mut(&token) {
                        connection.drain(&mut self.context);
                    }
                    self.close(token, ops);
                } else {
                    self.drive(token, set.contains(EventSet::IN), ops);
                }
            }
        }
        // A client may have come, begun a session, or read on.
        self.arm(ops);
        self.touch_ahead();
    }
}

fn listen(path: &Path) -> Result<UnixListener, ServeError> {
    let fail = |source| ServeError::Bind { path: path.to_owned(), source };
    let listener = UnixListener::bind(path).map_err(fail)?;
    // The directory is private already; this is for one whose directory has been opened to a group.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}
