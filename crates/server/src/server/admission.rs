//! How clients come and go: accepting, refusing, making room, closing.

use std::iter;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use event_manager::EventOps;

use super::acceptor::{Accepted, Borrowed};
use super::clients::Client;
use super::deadlines::Timer;
use super::terminal::PtyOver;
use super::waiting::Newcomer;
use super::{Server, token};
use crate::access::{Peer, SocketKind};
use crate::connection::{Connection, Place};
use crate::pass::Pass;
use crate::ready::Ready;
use crate::timer_fd::TimerFd;
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

impl Server {
    /// Accepts clients of a listener.
    pub(super) fn accept(&mut self, index: usize, pass: &mut Pass, ops: &mut EventOps<'_>) {
        let now = Instant::now();
        let (mut admitted, mut held_back, mut drained) = (0, 0, false);
        // An event may be from before a pause.
        while !self.acceptor.is_paused() && admitted < ADMITTED_AT_ONCE && held_back < HELD_BACK_AT_ONCE {
            // Without a file descriptor for the timer, nothing would happen in time for the client.
            let accepted = if self.timer.open(token::TIMER, ops) || self.timer.is_refused() {
                self.acceptor.accept(index)
            } else {
                self.acceptor.accept_last(index)
            };
            let (stream, door, last) = match accepted {
                Accepted::Client(stream, door) => (stream, door, None),
                Accepted::Last(stream, door, borrowed) => (stream, door, Some(borrowed)),
                Accepted::Nobody => {
                    drained = true;
                    break;
                }
                Accepted::Exhausted => {
                    log::warn!(
                        "console {}: no file descriptor is left, new clients have to wait",
                        self.context.name
                    );
                    self.pause(now, ops);
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
                    let peer = Peer::of(&stream, credentials, door, self.options.programs);
                    self.admit(Transport::Socket(stream), &peer, pass, ops);
                }
                None => self.hold_back(Newcomer { stream, credentials, door }, pass),
                Some(borrowed) => {
                    // Its program's name can't be read: that takes a file descriptor.
                    let peer = Peer::of(&stream, credentials, door, false);
                    self.admit_last(in_time.then_some(stream), borrowed, &peer, pass, ops);
                }
            }
        }
        self.held_back += held_back;
        if self.held_back >= HELD_BACK || (drained && self.held_back > 0) {
            self.held_back = 0;
            self.pause(now.checked_add(PAUSE).unwrap_or(now), ops);
        }
    }

    /// Accepts no clients until then, and until there is a file descriptor for them.
    fn pause(&mut self, until: Instant, ops: &mut EventOps<'_>) {
        self.acceptor.pause(until, &self.context.name, ops);
        self.look_again(Some(until));
    }

    /// Accepts clients again, if that was not possible and is now.
    pub(super) fn resume(&mut self, ops: &mut EventOps<'_>) {
        if !self.acceptor.is_paused() {
            return;
        }
        let until = self.acceptor.resume(Instant::now(), &self.context.name, ops);
        self.look_again(until);
    }

    /// Sets when it is looked whether clients can be accepted again.
    fn look_again(&mut self, until: Option<Instant>) {
        let now = Instant::now();
        let at = until.and_then(|at| if at > now { Some(at) } else { now.checked_add(TimerFd::RETRY) });
        self.deadlines.set(Timer::Accept, at);
    }

    /// Lets a client wait that comes too soon after others of its user.
    pub(super) fn hold_back(&mut self, newcomer: Newcomer, pass: &mut Pass) {
        let Err(Newcomer { stream, credentials, door }) = self.waiting.enter(newcomer) else { return };
        let peer = Peer::of(&stream, credentials, door, false);
        let message = "the clients of your user come too fast; try again in a second";
        self.turn_away(Transport::Socket(stream), &peer, ErrorCode::TooMany, message, pass);
    }

    /// Admits the clients that have waited long enough.
    pub(super) fn admit_waiting(&mut self, now: Instant, pass: &mut Pass, ops: &mut EventOps<'_>) {
        while let Some(newcomer) = self.waiting.next(|uid| self.users.arrives(uid, now).is_ok()) {
            let Newcomer { stream, credentials, door } = newcomer;
            let peer = Peer::of(&stream, credentials, door, self.options.programs);
            self.admit(Transport::Socket(stream), &peer, pass, ops);
        }
    }

    /// When the next client that waits may be admitted.
    pub(super) fn next_admission(&self, now: Instant) -> Option<Instant> {
        self.waiting.users().map(|uid| self.users.awaited_until(uid, now).unwrap_or(now)).min()
    }

    /// Gives a new client its role and its place, or refuses it and says why.
    pub(super) fn admit(
        &mut self,
        transport: Transport,
        peer: &Peer,
        pass: &mut Pass,
        ops: &mut EventOps<'_>,
    ) {
        let Some(role) = (self.options.authorise)(peer) else {
            let message = "this console belongs to another user";
            return self.refuse(transport, peer, ErrorCode::Forbidden, message, pass, ops);
        };
        if !self.make_room(peer, role, pass, ops) {
            let message = self.full(peer.uid);
            return self.refuse(transport, peer, ErrorCode::TooMany, &message, pass, ops);
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
        if goes_on && self.watch(&connection, ops) {
            self.clients.insert(connection, reserved, self.options.handshake);
        } else if connection.transport().is_pty() {
            self.pty_over(PtyOver::of(&connection, !connection.is_closing()), pass, ops);
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
        ops: &mut EventOps<'_>,
    ) {
        let role = stream.as_ref().and_then(|_| (self.options.authorise)(peer));
        let leaves = role.and_then(|role| self.gives_way_to(peer, role, true));
        if let Some(token) = leaves {
            self.give_way(token, pass, ops);
        }
        match stream {
            Some(stream) if leaves.is_some() && borrowed.replace() => {
                self.admit(Transport::Socket(stream), peer, pass, ops);
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
            self.pause(Instant::now(), ops);
        }
    }

    /// Refuses a client, and says why.
    fn refuse(
        &mut self,
        transport: Transport,
        peer: &Peer,
        code: ErrorCode,
        message: &str,
        pass: &mut Pass,
        ops: &mut EventOps<'_>,
    ) {
        let pty = transport.is_pty();
        self.turn_away(transport, peer, code, message, pass);
        if pty {
            self.pty_over(PtyOver::SentAway, pass, ops);
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

    /// Makes the event loop wait on the connection of the next client.
    fn watch(&self, connection: &Connection, ops: &mut EventOps<'_>) -> bool {
        let Some(token) = self.clients.free_token() else { return false };
        let watched = ops.add(connection.interest().of(connection.transport().as_fd(), token));
        if let Err(error) = &watched {
            log::warn!("console {}: can't watch a client: {error}", self.context.name);
        }
        watched.is_ok()
    }

    /// Drives a connection as far as it can go, and closes it if it is over.
    pub(super) fn drive(&mut self, token: u32, ready: Ready, pass: &mut Pass, ops: &mut EventOps<'_>) {
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
            return self.close(token, hung_up, pass, ops);
        }
        client.update_deadline();
        let work = client.connection.take_idle_work();
        if work > 0 {
            client.rest_until(self.users.works(client.connection.uid(), work, Instant::now()));
        }
        let connection = &client.connection;
        let interest = connection.interest();
        if interest != before && ops.modify(interest.of(connection.transport().as_fd(), token)).is_err() {
            self.close(token, false, pass, ops);
        }
    }

    pub(super) fn drive_all(&mut self, pass: &mut Pass, ops: &mut EventOps<'_>) {
        for token in self.clients.tokens() {
            self.drive(token, Ready::NEITHER, pass, ops);
        }
    }

    /// Closes the connection of a client whose own end is closed. What it had sent before is served.
    pub(super) fn hung_up(&mut self, token: u32, pass: &mut Pass, ops: &mut EventOps<'_>) {
        if let Some(client) = self.clients.get_mut(token) {
            client.connection.drain(&self.context, pass);
        }
        self.close(token, true, pass, ops);
    }

    /// Serves the clients again that have rested long enough.
    pub(super) fn serve_rested(&mut self, now: Instant, pass: &mut Pass, ops: &mut EventOps<'_>) {
        for token in self.clients.rested(now) {
            // The event loop does not wait for what it sends yet.
            let Some(client) = self.clients.get_mut(token) else { continue };
            client.rise();
            let _ = ops.modify(client.connection.interest().of(client.connection.transport().as_fd(), token));
            self.drive(token, Ready::READ, pass, ops);
        }
    }

    /// Sends clients away whose deadline has come.
    pub(super) fn dismiss_late(&mut self, now: Instant, pass: &mut Pass, ops: &mut EventOps<'_>) {
        for token in self.clients.late(now) {
            let Some(client) = self.clients.get_mut(token) else { continue };
            if client.connection.is_closing() {
                self.close(token, false, pass, ops);
            } else {
                self.dismiss(token, ErrorCode::Timeout, "no hello has come", pass, ops);
            }
        }
    }

    /// Sends a client away, after one attempt to tell it why.
    pub(super) fn dismiss(
        &mut self,
        token: u32,
        code: ErrorCode,
        message: &str,
        pass: &mut Pass,
        ops: &mut EventOps<'_>,
    ) {
        if let Some(client) = self.clients.get_mut(token) {
            client.connection.refuse(code, message);
            let _ = client.connection.drive(Ready::WRITE, &self.context, pass);
            self.close(token, false, pass, ops);
        }
    }

    /// Closes a connection. `hung_up` says that the client has closed it, and not the server.
    fn close(&mut self, token: u32, hung_up: bool, pass: &mut Pass, ops: &mut EventOps<'_>) {
        let Some(Client { connection, .. }) = self.clients.remove(token) else { return };
        // Closing the file descriptor would remove it too. This keeps the event loop's own table right, and a
        // pseudo-terminal stays open.
        let _ = ops.remove(Ready::NEITHER.of(connection.transport().as_fd(), 0));
        let over = connection.transport().is_pty().then(|| PtyOver::of(&connection, hung_up));
        drop(connection);
        if let Some(over) = over {
            self.pty_over(over, pass, ops);
        }
        self.resume(ops);
    }

    /// Makes the event loop wait on the server's own file descriptors.
    pub(super) fn register(&self, ops: &mut EventOps<'_>) {
        let doorbell = (token::DOORBELL, self.sleeper.as_fd());
        let pty = self.pty.as_ref().map(|pty| (token::PTY, pty.watch()));
        let sockets = self.acceptor.sockets().map(|(token, socket)| (token, socket.as_fd()));
        for (token, fd) in iter::once(doorbell).chain(pty).chain(sockets) {
            if let Err(error) = ops.add(Ready::READ.of(fd, token)) {
                log::error!("console {}: can't be served: {error}", self.context.name);
            }
        }
    }
}
