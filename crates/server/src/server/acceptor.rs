//! The listening sockets, and accepting while file descriptors run out.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::token;
use crate::access::{Door, Listener};
use crate::error::is_exhaustion;
use crate::poller::Poller;
use crate::ready::Ready;

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
/// up the process's spare descriptor and accepts the client with it. Another client may have to leave for it; otherwise its
/// connection is closed, which tells the client more than silence. If the spare can't be had again, the acceptor stops listening
/// until [`resume`](Self::resume) finds a descriptor.
#[derive(Debug)]
pub(super) struct Acceptor {
    /// By their tokens. `None` is one that has turned out to be no listener.
    listeners: Vec<Option<Listener>>,
    /// No listener is waited on until then, and until there is a file descriptor.
    paused_until: Option<Instant>,
}

/// The result of accepting once.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A client has come through this door.
    Client(UnixStream, Door),
    /// The same, and the process has no file descriptor left.
    Last(UnixStream, Door, Borrowed),
    /// No client waits, or the one that did is gone.
    Nobody,
    /// There is no file descriptor or memory: the acceptor must [pause](Acceptor::pause).
    Exhausted,
    /// No client can ever come through this socket: [`remove`](Acceptor::remove) it, or it wakes the event loop for ever.
    Never(Errno),
}

/// The place of the spare file descriptor while a client has it. No other server can find it missing meanwhile.
#[derive(Debug)]
pub(super) struct Borrowed(MutexGuard<'static, Option<OwnedFd>>);

impl Borrowed {
    /// Makes the spare file descriptor again. Returns whether that is possible. Call it when a descriptor was closed.
    pub(super) fn replace(&mut self) -> bool {
        renew(&mut self.0)
    }
}

impl Acceptor {
    pub(super) fn new(listeners: Vec<Listener>) -> Self {
        // Made early, while there are descriptors.
        renew(&mut spare());
        Self { listeners: listeners.into_iter().map(Some).collect(), paused_until: None }
    }

    /// The sockets with their tokens.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (u32, &UnixListener)> {
        (token::FIRST_LISTENER..)
            .zip(&self.listeners)
            .filter_map(|(token, listener)| Some((token, &listener.as_ref()?.socket)))
    }

    fn listener(&self, index: usize) -> Option<&Listener> {
        self.listeners.get(index)?.as_ref()
    }

    /// Gives up a socket through which no client can come.
    pub(super) fn remove(&mut self, index: usize, poller: &mut Poller) -> Option<Door> {
        let listener = self.listeners.get_mut(index)?.take()?;
        let token = token::FIRST_LISTENER.saturating_add(u32::try_from(index).ok()?);
        poller.remove(listener.socket.as_fd(), token);
        Some(listener.door)
    }

    /// Accepts one client of a listener.
    pub(super) fn accept(&self, index: usize) -> Accepted {
        let Some(listener) = self.listener(index) else { return Accepted::Nobody };
        // Its flags are what VMMs' filters allow already. Each call at the connection says by itself that it must not wait.
        match accept_with(&listener.socket, SocketFlags::CLOEXEC) {
            Ok(stream) => Accepted::Client(stream.into(), listener.door),
            Err(Errno::MFILE | Errno::NFILE) => self.accept_last(index),
            Err(Errno::NOMEM | Errno::NOBUFS) => Accepted::Exhausted,
            // It was handed in, and is something else.
            Err(error @ (Errno::INVAL | Errno::OPNOTSUPP | Errno::NOTSOCK | Errno::BADF)) => {
                Accepted::Never(error)
            }
            // EAGAIN: no other client waits. Any other error is that of one client, which is gone.
            Err(_) => Accepted::Nobody,
        }
    }

    /// Accepts one client of a listener with the spare file descriptor.
    fn accept_last(&self, index: usize) -> Accepted {
        let Some(listener) = self.listener(index) else { return Accepted::Nobody };
        let mut spare = Borrowed(spare());
        spare.replace();
        if spare.0.take().is_none() {
            return Accepted::Exhausted;
        }
        match accept_with(&listener.socket, SocketFlags::CLOEXEC) {
            Ok(stream) => Accepted::Last(stream.into(), listener.door, spare),
            // Another thread may have taken the descriptor meanwhile.
            Err(_) if spare.replace() => Accepted::Nobody,
            Err(_) => Accepted::Exhausted,
        }
    }

    /// Whether no client is accepted at the moment.
    pub(super) fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// Stops waiting for clients until then.
    pub(super) fn pause(&mut self, until: Instant, name: &str, poller: &Poller) {
        self.paused_until = Some(until);
        self.watch(Ready::NEITHER, name, poller);
    }

    /// Waits for clients again, if it had stopped, the time is over and a file descriptor is there. Returns when to try again,
    /// if clients are not accepted: a time that may be over.
    pub(super) fn resume(&mut self, now: Instant, name: &str, poller: &Poller) -> Option<Instant> {
        let until = self.paused_until?;
        if now < until || !renew(&mut spare()) {
            return Some(until);
        }
        self.paused_until = None;
        self.watch(Ready::READ, name, poller);
        None
    }

    fn watch(&self, until: Ready, name: &str, poller: &Poller) {
        for (token, socket) in self.sockets() {
            if let Err(error) = poller.modify(socket.as_fd(), token, until) {
                log::error!("console {name}: can't watch its sockets: {error}");
            }
        }
    }
}
