//! How clients come and go: accepting, refusing, making room, closing.

use std::fmt;
use std::io;
use std::iter;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::acceptor::{Accepted, Borrowed};
use super::clients::Client;
use super::deadlines::Timer;
use super::terminal::PtyOver;
use super::waiting::Newcomer;
use super::{Server, token};
use crate::access::{Door, Peer, SocketKind};
use crate::connection::{Connection, Place};
use crate::pass::Pass;
use crate::ready::Ready;
use crate::transport::Transport;
use vuart_endpoint::Mode;
use vuart_peer::Credentials;
use vuart_wire::ErrorCode;

/// The most clients that are admitted before the connected ones are served.
const ADMITTED_AT_ONCE: usize = 16;

/// The most clients that are accepted and held back before the connected ones are served.
const HELD_BACK_AT_ONCE: usize = 16;

/// The most clients that are held back before no client is accepted for a while.
const HELD_BACK: usize = 64;

/// For how long no client is accepted after some were held back. So a flood wakes the server fifty times a second at the
/// most, takes a part of its time only, and has to wait itself when the queue of the socket is full. Others come a little later.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a server without a file descriptor for clients looks for one.
const RETRY: Duration = Duration::from_millis(500);

impl Server {
    /// Accepts clients of a listener.
    pub(super) fn accept(&mut self, index: usize, pass: &mut Pass) {
        let now = Instant::now();
        let (mut admitted, mut held_back, mut drained) = (0, 0, false);
        // An event may be from before a pause.
        while !self.acceptor.is_paused() && admitted < ADMITTED_AT_ONCE && held_back < HELD_BACK_AT_ONCE {
            let (stream, door, last) = match self.acceptor.accept(index) {
                Accepted::Client(stream, door) => (stream, door, None),
                Accepted::Last(stream, door, borrowed) => (stream, door, Some(borrowed)),
                Accepted::Nobody => {
                    drained = true;
                    break;
                }
                Accepted::Never(error) => {
                    self.give_up(index, &error);
                    break;
                }
                Accepted::Exhausted => {
                    log::warn!(
                        "console {}: no file descriptor is left, new clients have to wait",
                        self.context.name
                    );
                    self.pause(now);
                    break;
                }
            };
            // A client whose credentials can't be had is gone.
            let Ok(credentials) = Credentials::of(&stream) else { continue };
            let in_time = self.users.arrives(credentials.uid, now).is_ok();
            if in_time {
                admitted += 1;
            } else {
                held_back += 1;
            }
            match last {
                None if in_time => {
                    let peer = Peer::of(&stream, credentials, door, self.options.programs, self.context.own);
                    self.admit(Transport::Socket(stream), &peer, pass);
                }
                None => self.hold_back(Newcomer { stream, credentials, door }, pass),
                Some(borrowed) => {
                    // Its program's name can't be read: that takes a file descriptor.
                    let peer = Peer::of(&stream, credentials, door, false, self.context.own);
                    self.admit_last(in_time.then_some(stream), borrowed, &peer, pass);
                }
            }
        }
        self.held_back += held_back;
        if self.held_back >= HELD_BACK || (drained && self.held_back > 0) {
            self.held_back = 0;
            self.pause(now.checked_add(PAUSE).unwrap_or(now));
        }
    }

    /// No client can come through this socket any more, and it would wake the event loop for ever.
    pub(super) fn give_up(&mut self, index: usize, why: &dyn fmt::Display) {
        if let Some(Door { kind, .. }) = self.acceptor.remove(index, &mut self.poller) {
            log::error!(
                "console {}: nobody can connect to its {kind:?} socket any more: {why}",
                self.context.name
            );
        }
    }

    /// Accepts no clients until then, and until there is a file descriptor for them.
    fn pause(&mut self, until: Instant) {
        self.acceptor.pause(until, &self.context.name, &self.poller);
        self.look_again(Some(until));
    }

    /// Accepts clients again, if that was not possible and is now.
    pub(super) fn resume(&mut self) {
        if !self.acceptor.is_paused() {
            return;
        }
        let until = self.acceptor.resume(Instant::now(), &self.context.name, &self.poller);
        self.look_again(until);
    }

    /// Sets when it is looked whether clients can be accepted again.
    fn look_again(&mut self, until: Option<Instant>) {
        let now = Instant::now();
        let at = until.and_then(|at| if at > now { Some(at) } else { now.checked_add(RETRY) });
        self.deadlines.set(Timer::Accept, at);
    }

    /// Lets a client wait that comes too soon after others of its user.
    pub(super) fn hold_back(&mut self, newcomer: Newcomer, pass: &mut Pass) {
        let Err(Newcomer { stream, credentials, door }) = self.waiting.enter(newcomer) else { return };
        let peer = Peer::of(&stream, credentials, door, false, self.context.own);
        let message = "the clients of your user come too fast; try again in a second";
        self.turn_away(Transport::Socket(stream), &peer, ErrorCode::TooMany, message, pass);
    }

    /// Admits the clients that have waited long enough.
    pub(super) fn admit_waiting(&mut self, now: Instant, pass: &mut Pass) {
        while let Some(newcomer) = self.waiting.next(|uid| self.users.arrives(uid, now).is_ok()) {
            let Newcomer { stream, credentials, door } = newcomer;
            let peer = Peer::of(&stream, credentials, door, self.options.programs, self.context.own);
            self.admit(Transport::Socket(stream), &peer, pass);
        }
    }

    /// When the next client that waits may be admitted.
    pub(super) fn next_admission(&self, now: Instant) -> Option<Instant> {
        self.waiting.users().map(|uid| self.users.awaited_until(uid, now).unwrap_or(now)).min()
    }

    /// Gives a new client its role and its place, or refuses it and says why.
    pub(super) fn admit(&mut self, transport: Transport, peer: &Peer, pass: &mut Pass) {
        let Some(role) = (self.options.authorise)(peer) else {
            let message = "this console belongs to another user";
            return self.refuse(transport, peer, ErrorCode::Forbidden, message, pass);
        };
        if !self.make_room(peer, role, pass) {
            let message = self.full(peer.uid);
            return self.refuse(transport, peer, ErrorCode::TooMany, &message, pass);
        }
        let identity = peer.identity();
        let mut connection = if peer.socket == SocketKind::Control {
            Connection::framed(transport, identity, role)
        } else {
            let mode = match (peer.socket, &self.pty) {
                (SocketKind::ReadOnly, _) => Mode::Spectate,
                (SocketKind::Pty, Some(pty)) => pty.mode(self.options.raw),
                _ => self.options.raw.mode(),
            };
            Connection::raw(transport, identity, role, self.options.raw_start(mode), &self.context)
        };
        pass.share(self.clients.at_console() + 1);
        let reserved = self.clients.len() >= self.options.clients;
        connection.set_place(if reserved { Place::Reserved } else { Place::Open });
        let goes_on = connection.drive(Ready::BOTH, &self.context, pass).is_ok();
        if goes_on && self.watch(&connection) {
            self.clients.insert(connection, reserved, self.options.handshake);
        } else if connection.transport().is_pty() {
            self.pty_over(PtyOver::of(&connection, !connection.is_closing()), pass);
        }
    }

    /// Admits a client that has the process's last file descriptor, if another can leave for it. `stream` is `None` if it comes
    /// too soon.
    fn admit_last(
        &mut self,
        stream: Option<UnixStream>,
        mut borrowed: Borrowed,
        peer: &Peer,
        pass: &mut Pass,
    ) {
        let role = stream.as_ref().and_then(|_| (self.options.authorise)(peer));
        let leaves = role.and_then(|role| self.gives_way_to(peer, role, true));
        if let Some(token) = leaves {
            self.give_way(token, pass);
        }
        match stream {
            Some(stream) if leaves.is_some() && borrowed.replace() => {
                self.admit(Transport::Socket(stream), peer, pass);
            }
            Some(stream) => {
                let message = "the server has no file descriptor left; try again when a client has left";
                self.turn_away(Transport::Socket(stream), peer, ErrorCode::TooMany, message, pass);
            }
            None => {}
        }
        let exhausted = !borrowed.replace();
        drop(borrowed);
        if exhausted {
            self.pause(Instant::now());
        }
    }

    /// Refuses a client, and says why.
    fn refuse(&mut self, transport: Transport, peer: &Peer, code: ErrorCode, message: &str, pass: &mut Pass) {
        let pty = transport.is_pty();
        self.turn_away(transport, peer, code, message, pass);
        if pty {
            self.pty_over(PtyOver::SentAway, pass);
        }
    }

    /// Tells a client why it is not admitted. It gets one attempt to be told so, and no place to wait in.
    pub(super) fn turn_away(
        &self,
        transport: Transport,
        peer: &Peer,
        code: ErrorCode,
        message: &str,
        pass: &mut Pass,
    ) {
        let framed = peer.socket == SocketKind::Control;
        let notices = self.options.raw_notices;
        let mut connection = Connection::refused(transport, peer.identity(), framed, notices, code, message);
        let _ = connection.drive(Ready::WRITE, &self.context, pass);
    }

    /// Waits for the connection of the next client.
    fn watch(&self, connection: &Connection) -> bool {
        let Some(token) = self.clients.free_token() else { return false };
        let watched = self.poller.add(connection.transport().as_fd(), token, connection.interest());
        if let Err(error) = &watched {
            log::warn!("console {}: can't watch a client: {error}", self.context.name);
        }
        watched.is_ok()
    }

    /// Drives a connection as far as it can go, and closes it if it is over.
    pub(super) fn drive(&mut self, token: u32, ready: Ready, pass: &mut Pass) {
        if ready.read {
            self.clients.acted(token);
        }
        let crowded = self.clients.len() > self.options.clients;
        let Some(client) = self.clients.get_mut(token) else { return };
        let connection = &mut client.connection;
        let before = connection.interest();
        connection.set_place(if crowded && client.reserved { Place::Reserved } else { Place::Open });
        if connection.drive(ready, &self.context, pass).is_err() {
            let hung_up = !connection.is_closing();
            return self.close(token, hung_up, pass);
        }
        client.update_deadline();
        let work = client.connection.take_idle_work();
        if work > 0 {
            client.rest_until(self.users.works(client.connection.uid(), work, Instant::now()));
        }
        let connection = &client.connection;
        let interest = connection.interest();
        let fd = connection.transport().as_fd();
        if interest != before && self.poller.modify(fd, token, interest).is_err() {
            self.close(token, false, pass);
        }
    }

    pub(super) fn drive_all(&mut self, pass: &mut Pass) {
        for token in self.clients.tokens() {
            self.drive(token, Ready::NEITHER, pass);
        }
    }

    /// Closes the connection of a client whose own end is closed. What it had sent before is served.
    pub(super) fn hung_up(&mut self, token: u32, pass: &mut Pass) {
        if let Some(client) = self.clients.get_mut(token) {
            client.connection.drain(&self.context, pass);
        }
        self.close(token, true, pass);
    }

    /// Serves the clients again that have rested long enough.
    pub(super) fn serve_rested(&mut self, now: Instant, pass: &mut Pass) {
        for token in self.clients.rested(now) {
            // What it sends is not waited for yet.
            let Some(client) = self.clients.get_mut(token) else { continue };
            client.rise();
            let connection = &client.connection;
            let _ = self.poller.modify(connection.transport().as_fd(), token, connection.interest());
            self.drive(token, Ready::READ, pass);
        }
    }

    /// Sends clients away whose deadline has come.
    pub(super) fn dismiss_late(&mut self, now: Instant, pass: &mut Pass) {
        for token in self.clients.late(now) {
            let Some(client) = self.clients.get_mut(token) else { continue };
            if client.connection.is_closing() {
                self.close(token, false, pass);
            } else {
                self.dismiss(token, ErrorCode::Timeout, "no hello has come", pass);
            }
        }
    }

    /// Sends a client away, after one attempt to tell it why.
    pub(super) fn dismiss(&mut self, token: u32, code: ErrorCode, message: &str, pass: &mut Pass) {
        if let Some(client) = self.clients.get_mut(token) {
            client.connection.refuse(code, message);
            let _ = client.connection.drive(Ready::WRITE, &self.context, pass);
            self.close(token, false, pass);
        }
    }

    /// Closes a connection. `hung_up` says that the client has closed it, and not the server.
    fn close(&mut self, token: u32, hung_up: bool, pass: &mut Pass) {
        let Some(Client { mut connection, .. }) = self.clients.remove(token) else { return };
        // Closing the file descriptor would remove it too. But a pseudo-terminal stays open, and so does a socket that a child process has
        // inherited in this moment.
        self.poller.remove(connection.transport().as_fd(), token);
        let over = connection.transport().is_pty().then(|| PtyOver::of(&connection, hung_up));
        if over.is_none() && !hung_up {
            connection.discard(&self.context, pass);
        }
        drop(connection);
        if let Some(over) = over {
            self.pty_over(over, pass);
        }
        self.resume();
    }

    /// Waits for the server's own file descriptors.
    pub(super) fn register(&self) -> io::Result<()> {
        let doorbell = (token::DOORBELL, self.sleeper.as_fd());
        let pty = self.pty.as_ref().map(|pty| (token::PTY, pty.watch()));
        let sockets = self.acceptor.sockets().map(|(token, socket)| (token, socket.as_fd()));
        iter::once(doorbell)
            .chain(pty)
            .chain(sockets)
            .try_for_each(|(token, fd)| self.poller.add(fd, token, Ready::READ))
    }
}
