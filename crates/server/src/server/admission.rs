//! How clients come and go: accepting, refusing, making room, closing.

use std::iter;
use std::os::fd::AsFd as _;
use std::time::Instant;

use event_manager::EventOps;

use super::acceptor::Accepted;
use super::clients::Client;
use super::deadlines::Timer;
use super::{Server, token};
use crate::access::{Peer, Role, SocketKind};
use crate::connection::Connection;
use crate::pass::Pass;
use crate::ready::Ready;
use crate::timer_fd::TimerFd;
use crate::transport::Transport;
use vuart_endpoint::Mode;
use vuart_wire::ErrorCode;

/// The most clients that are accepted before the connected ones are served.
const ACCEPTED_AT_ONCE: usize = 16;

impl Server {
    /// Accepts clients of a listener.
    pub(super) fn accept(&mut self, index: usize, pass: &mut Pass, ops: &mut EventOps<'_>) {
        for _ in 0..ACCEPTED_AT_ONCE {
            // Without a file descriptor for the timer, nothing would happen in time for the client.
            let accepted = if self.timer.open(token::TIMER, ops) || self.timer.is_refused() {
                self.acceptor.accept(index)
            } else {
                self.acceptor.turn_away(index)
            };
            match accepted {
                Accepted::Client(stream, listener) => {
                    // A client whose credentials can't be had is gone.
                    if let Ok(peer) = Peer::of(&stream, listener, self.options.programs) {
                        self.admit(Transport::Socket(stream), &peer, pass, ops);
                    }
                }
                Accepted::Nobody => return,
                Accepted::Exhausted => {
                    self.acceptor.pause(&self.context.name, ops);
                    self.deadlines.set(Timer::Accept, Instant::now().checked_add(TimerFd::RETRY));
                    return;
                }
            }
        }
    }

    /// Accepts clients again, if that was not possible and is now.
    pub(super) fn resume(&mut self, ops: &mut EventOps<'_>) {
        let accepts = self.acceptor.resume(&self.context.name, ops);
        let retry = if accepts { None } else { Instant::now().checked_add(TimerFd::RETRY) };
        self.deadlines.set(Timer::Accept, retry);
    }

    /// Gives a new client its role and its place, or refuses it and says why.
    pub(super) fn admit(
        &mut self,
        transport: Transport,
        peer: &Peer,
        pass: &mut Pass,
        ops: &mut EventOps<'_>,
    ) {
        let role = (self.options.authorise)(peer);
        if let Some(role) = role {
            self.make_room(role, pass, ops);
        }
        let full = self.clients.len() >= self.options.clients;
        let identity = peer.identity();
        let framed = peer.socket == SocketKind::Control;
        let (mut connection, welcome) = match role {
            None => {
                let message = "this console belongs to another user";
                (Connection::refused(transport, identity, framed, ErrorCode::Forbidden, message), false)
            }
            Some(_) if full => {
                let message = "too many clients; try again when one has left";
                (Connection::refused(transport, identity, framed, ErrorCode::TooMany, message), false)
            }
            Some(role) if framed => (Connection::framed(transport, identity, role), true),
            Some(role) => {
                let mode = match peer.socket {
                    SocketKind::ReadOnly => Mode::Spectate,
                    _ => self.options.raw.mode(),
                };
                (Connection::raw(transport, identity, role, mode, &self.context), true)
            }
        };
        pass.share(self.clients.at_console() + 1);
        let ready = if welcome { Ready::BOTH } else { Ready::WRITE };
        // A client that is refused gets one attempt to be told so, and no place to wait in.
        let goes_on = connection.drive(ready, &self.context, pass).is_ok() && welcome;
        if goes_on && self.watch(&connection, ops) {
            self.clients.insert(connection, self.options.handshake);
        } else if connection.transport().is_pty() {
            self.pty_over(!connection.is_closing(), pass, ops);
        }
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

    /// If there are as many clients as allowed, sends one away that may have to give way to this role.
    fn make_room(&mut self, role: Role, pass: &mut Pass, ops: &mut EventOps<'_>) {
        if self.clients.len() >= self.options.clients
            && let Some(token) = self.clients.gives_way_to(role)
        {
            self.dismiss(token, ErrorCode::TooMany, "somebody else needs the place", pass, ops);
        }
    }

    /// Drives a connection as far as it can go, and closes it if it is over.
    pub(super) fn drive(&mut self, token: u32, ready: Ready, pass: &mut Pass, ops: &mut EventOps<'_>) {
        if ready.read {
            self.clients.acted(token);
        }
        let Some(client) = self.clients.get_mut(token) else { return };
        let connection = &mut client.connection;
        let before = connection.interest();
        if connection.drive(ready, &self.context, pass).is_err() {
            let hung_up = !connection.is_closing();
            return self.close(token, hung_up, pass, ops);
        }
        client.update_deadline();
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
    fn dismiss(
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
        let pty = connection.transport().is_pty();
        drop(connection);
        if pty {
            self.pty_over(hung_up, pass, ops);
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
