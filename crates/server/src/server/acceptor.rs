//! The listening sockets, and accepting while file descriptors run out.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use event_manager::EventOps;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::token;
use crate::access::Listener;
use crate::ready::Ready;
use crate::timer_fd::is_exhaustion;

/// A file descriptor to give up when there is no other. There is one for the whole process, whatever the number of its
/// servers: each of them needs it for a moment only, and only when the process is at its limit. The process keeps it when its
/// servers are gone.
static SPARE: Mutex<Option<OwnedFd>> = Mutex::new(None);

fn spare() -> MutexGuard<'static, Option<OwnedFd>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the spare file descriptor if it is missing. Returns whether the process has file descriptors: also if the system refuses
/// this kind for another reason.
fn renew(spare: &mut Option<OwnedFd>) -> bool {
    if spare.is_some() {
        return true;
    }
    match eventfd(0, EventfdFlags::CLOEXEC) {
        Ok(fd) => {
            *spare = Some(fd);
            true
        }
        Err(error) => !is_exhaustion(error),
    }
}

/// The listening sockets of a server.
///
/// When the process has no file descriptor left, a waiting client would wake the event loop for ever. Then the acceptor gives
/// up the process's spare descriptor, accepts the client with it and closes the connection, which tells the client more than
/// silence. If the spare can't be had again, it stops listening until [`resume`](Self::resume) finds a descriptor.
#[derive(Debug)]
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    /// There is no descriptor at all: no listener is waited on.
    paused: bool,
}

/// The result of accepting once.
#[derive(Debug)]
pub(super) enum Accepted<'a> {
    /// A client has come through this socket.
    Client(UnixStream, &'a Listener),
    /// No client waits, or the one that did is gone.
    Nobody,
    /// There is no file descriptor or memory: the acceptor must [pause](Acceptor::pause).
    Exhausted,
}

impl Acceptor {
    pub(super) fn new(listeners: Vec<Listener>) -> Self {
        // Made early, while there are descriptors.
        renew(&mut spare());
        Self { listeners, paused: false }
    }

    /// The sockets with their tokens.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (u32, &UnixListener)> {
        (token::FIRST_LISTENER..).zip(self.listeners.iter().map(|listener| &listener.socket))
    }

    /// Accepts one client of a listener.
    pub(super) fn accept(&self, index: usize) -> Accepted<'_> {
        let Some(listener) = self.listeners.get(index) else { return Accepted::Nobody };
        match accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(stream) => Accepted::Client(stream.into(), listener),
            Err(Errno::MFILE | Errno::NFILE) => self.turn_away(index),
            Err(Errno::NOMEM | Errno::NOBUFS) => Accepted::Exhausted,
            // EAGAIN: no other client waits. Any other error is that of one client, which is gone.
            Err(_) => Accepted::Nobody,
        }
    }

    /// Closes the connection of one client of a listener, because there is no file descriptor to serve it with.
    pub(super) fn turn_away(&self, index: usize) -> Accepted<'_> {
        let Some(listener) = self.listeners.get(index) else { return Accepted::Nobody };
        // Locked until it is there again: meanwhile no other server can find it missing.
        let mut spare = spare();
        renew(&mut spare);
        if spare.take().is_some() {
            drop(accept_with(&listener.socket, SocketFlags::CLOEXEC));
            // Another thread may have taken the descriptor meanwhile.
            renew(&mut spare);
        }
        if spare.is_some() { Accepted::Nobody } else { Accepted::Exhausted }
    }

    /// Stops waiting for clients.
    pub(super) fn pause(&mut self, name: &str, ops: &mut EventOps<'_>) {
        log::warn!("console {name}: no file descriptor is left, new clients have to wait");
        self.paused = true;
        self.watch(Ready::NEITHER, name, ops);
    }

    /// Waits for clients again, if it had stopped and a file descriptor is there. Returns whether clients are accepted.
    pub(super) fn resume(&mut self, name: &str, ops: &mut EventOps<'_>) -> bool {
        if self.paused {
            self.paused = !renew(&mut spare());
            if !self.paused {
                self.watch(Ready::READ, name, ops);
            }
        }
        !self.paused
    }

    fn watch(&self, until: Ready, name: &str, ops: &mut EventOps<'_>) {
        for (token, socket) in self.sockets() {
            if let Err(error) = ops.modify(until.of(socket.as_fd(), token)) {
                log::error!("console {name}: can't watch its sockets: {error}");
            }
        }
    }
}
